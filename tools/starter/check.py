"""Judges generated pictures against their captions by reading pixels only.

    python check.py pictures FOLDER      # PNGs and captions.json: {"0000.png": [seven words or "<pad>"]}
    python check.py validate             # how far the checker itself can be trusted

Sky and ground are read from strips of colour, the sun or moon from the place and shape of
its disc, and the object by comparing the picture with drawn scenes that differ only in
object, colour, place and small shifts. Words that a caption does not say are not judged.
The checker judges what a picture shows, not how finely: it also recognises blurred
pictures. `detail` is therefore reported beside the figures: the mean colour step between
neighbouring pixels, relative to the drawn scenes of the same captions.
Lengths are fractions of the picture's side.
"""

import argparse
import functools
import json
import pathlib

import numpy
import torch
from PIL import Image

import scenes

SIDE = 64
"""Pictures are reduced to this side before they are read."""
COLOUR_TOLERANCE = 0.14
"""Largest RGB distance (0..1 per channel) between a strip's median and its reference."""
DISC_TOLERANCE = 0.20
"""Largest RGB distance of a pixel that counts as sun or moon."""
UNEXPLAINED = 0.45
"""Largest part of an object's contrast to its background that may differ from the drawn object."""
EMPTY_ERROR = 0.030
"""Largest mean difference per channel between an empty landscape and its drawing."""

FIGURES = ("time", "ground", "light_place", "object", "colour", "object_place")


def central_scene(time, ground, light_place=1, kind=0, colour=0, place=1):
    """One scene as a (1, 6) table."""
    return torch.tensor([[time, ground, light_place, kind, colour, place]])


def draw(table, jitter=None):
    """Pictures 0..1 of a table of scenes at reading size, drawn at twice that size and averaged."""
    jitter = jitter or scenes.Jitter.none(len(table))
    pictures = scenes.render(scenes.Scenes.unstacked(table), jitter, 2 * SIDE)
    return (torch.nn.functional.avg_pool2d(pictures, 2) + 1) / 2


def rows(top, bottom):
    """The slice of picture rows between two heights."""
    return slice(round(top * SIDE), round(bottom * SIDE))


def median_colour(picture, top, bottom):
    """Median RGB of a horizontal strip."""
    return picture[:, rows(top, bottom)].flatten(1).median(1).values


@functools.cache
def strip_references():
    """Median colours of the sky strip per time, and of the two ground strips per time and ground."""
    sky, ground = [], {}
    for time in range(len(scenes.TIMES)):
        sky.append(median_colour(draw(central_scene(time, 0))[0], 0.0, 0.06))
        for kind in range(len(scenes.GROUNDS)):
            ground[time, kind] = ground_colours(draw(central_scene(time, kind))[0])
    return torch.stack(sky), ground


def ground_colours(picture):
    """Median colours just below the horizon and at the lower edge, (2, 3)."""
    return torch.stack([median_colour(picture, 0.64, 0.70), median_colour(picture, 0.92, 1.0)])


def read_time(picture):
    """Time of day by the colour of the uppermost strip, or None."""
    distance = (strip_references()[0] - median_colour(picture, 0.0, 0.06)).norm(dim=1)
    return int(distance.argmin()) if distance.min() < COLOUR_TOLERANCE else None


def read_ground(picture, time):
    """Ground by two strips of colour, given the time of day, or None."""
    seen = ground_colours(picture)
    references = strip_references()[1]
    distances = [(references[time, kind] - seen).norm(dim=1).mean() for kind in range(len(scenes.GROUNDS))]
    best = min(range(len(distances)), key=distances.__getitem__)
    return best if distances[best] < COLOUR_TOLERANCE else None


def read_light_place(picture, time):
    """Place of the one disc of the sun's or moon's colour in the upper third, or None."""
    region = picture[:, rows(0.0, 0.34)]
    near = (region - scenes.LIGHT_COLOUR[time][:, None, None]).norm(dim=0) < DISC_TOLERANCE
    ys, xs = near.nonzero(as_tuple=True)
    full = 3.14159 * (0.082 * SIDE) ** 2
    if not 0.4 * full < len(xs) < 1.9 * full:
        return None
    x, y = xs.float().median(), ys.float().median()
    together = (((xs - x) ** 2 + (ys - y) ** 2).sqrt() < 0.12 * SIDE).float().mean()
    offsets = (torch.tensor(scenes.LIGHT_X) - (x + 0.5) / SIDE).abs()
    return int(offsets.argmin()) if together > 0.85 and offsets.min() < 0.11 else None


@functools.cache
def candidates(time, ground, light_place):
    """Every object, colour and place over one landscape, with shifts: table, object windows, empty landscapes."""
    choices = [(0, 0, 1)]
    for kind in range(1, len(scenes.OBJECTS)):
        colours = len(scenes.COLOURS) + (scenes.OBJECTS[kind] == "mountain")
        choices += [(kind, colour, place) for colour in range(colours) for place in range(3)]
    shifts = [(h, x, t) for h in (-0.7, 0.7) for x in (-0.75, 0.0, 0.75) for t in (-0.6, 0.6)]
    table = torch.tensor([(time, ground, light_place, *choice) for choice in choices for _ in shifts])
    jitter = scenes.Jitter.none(len(table))
    jitter.horizon, jitter.object_x, jitter.terrain = torch.tensor(shifts * len(choices)).unbind(1)
    empty_table = table.clone()
    empty_table[:, 3] = 0
    reduce = lambda pictures: torch.nn.functional.avg_pool2d(pictures, 2)[:, :, 8:27]
    drawn, empty = reduce(draw(table, jitter)), reduce(draw(empty_table[: len(shifts)], scenes.Jitter(*(
        getattr(jitter, name)[: len(shifts)] for name in scenes.Jitter.__dataclass_fields__
    ))))
    empty = empty.repeat(len(choices), 1, 1, 1)
    return table[:, 3:], drawn, empty


def read_object(picture, time, ground, light_place):
    """Object, colour and place by the drawn scene that differs least; None for each when none fits.

    The comparison covers heights 0.25 to 0.84. A named object must also explain the picture
    inside its own outline, so that a smear of the right colour is not enough.
    """
    table, drawn, empty = candidates(time, ground, light_place)
    seen = torch.nn.functional.avg_pool2d(picture[None], 2)[:, :, 8:27]
    best = int((drawn - seen).abs().mean((1, 2, 3)).argmin())
    kind, colour, place = table[best].tolist()
    if kind == 0:
        fits = (drawn[best] - seen[0]).abs().mean() < EMPTY_ERROR
        return (0, None, None) if fits else (None, None, None)
    contrast = (drawn[best] - empty[best]).abs().mean(0)
    outline = contrast > 0.04
    missed = (drawn[best] - seen[0]).abs().mean(0)[outline].sum()
    if missed > UNEXPLAINED * contrast[outline].sum():
        return None, None, None
    return kind, colour, place


def read(picture):
    """All six attributes of a picture (3, side, side) with values 0..1; unreadable ones are None."""
    picture = torch.nn.functional.interpolate(picture[None], size=(SIDE, SIDE), mode="area")[0]
    time = read_time(picture)
    if time is None:
        return dict.fromkeys(FIGURES)
    ground, light_place = read_ground(picture, time), read_light_place(picture, time)
    kind = colour = place = None
    if ground is not None:
        kind, colour, place = read_object(picture, time, ground, 1 if light_place is None else light_place)
    return dict(zip(FIGURES, (time, ground, light_place, kind, colour, place)))


def wanted(caption):
    """The attributes that a caption of seven words says, as indices."""
    lists = (scenes.TIMES, scenes.GROUNDS, None, None, scenes.OBJECTS, scenes.COLOURS, None)
    said = {}
    for slot, (name, word) in enumerate(zip(scenes.SLOTS, caption)):
        if word == scenes.PAD or name == "light":
            continue
        said[name] = lists[slot].index(word) if lists[slot] else scenes.PLACES.index(word.split("-")[1])
    return said


def judge(picture, caption):
    """Whether each said attribute is right."""
    seen = read(picture)
    return {name: seen[name] == value for name, value in wanted(caption).items()}


def detail(picture):
    """Mean absolute difference between neighbouring pixels of a picture (3, side, side)."""
    return float(picture.diff(dim=1).abs().mean() + picture.diff(dim=2).abs().mean())


def drawn_detail(caption, side):
    """The detail of the drawn scene of a complete caption, or None when the caption leaves something out."""
    said = wanted(caption)
    if not {"time", "ground", "light_place", "object"} <= said.keys():
        return None
    row = torch.tensor([[said.get(name, 0) for name in FIGURES]])
    scene = scenes.Scenes.unstacked(row)
    return detail((scenes.render(scene, scenes.Jitter.none(1), side)[0] + 1) / 2)


class Tally:
    """Counts of right and judged attributes, and of pictures in which groups of them are right."""

    GROUPS = {
        "landscape (time, ground, light place)": ("time", "ground", "light_place"),
        "object, colour and place": ("object", "colour", "object_place"),
        "everything": FIGURES,
    }

    def __init__(self):
        self.counts = {name: [0, 0] for name in FIGURES + tuple(self.GROUPS)}
        self.details = []

    def add(self, verdict):
        """Adds one picture's verdict."""
        for name, right in verdict.items():
            self._count(name, right)
        for group, names in self.GROUPS.items():
            said = [verdict[name] for name in names if name in verdict]
            if said:
                self._count(group, all(said))

    def _count(self, name, right):
        self.counts[name][0] += bool(right)
        self.counts[name][1] += 1

    def show(self):
        """Prints one line per figure."""
        for name, (right, count) in self.counts.items():
            if count:
                print(f"{name:40} {right:4} of {count:4}  {100 * right / count:5.1f} %")
        if self.details:
            print(f"{'detail, relative to drawn scenes':40} {sum(self.details) / len(self.details):.2f}")


def check_pictures(folder, list_wrong):
    """Judges a folder and prints the figures."""
    captions = json.loads((folder / "captions.json").read_text())
    tally = Tally()
    for name, caption in sorted(captions.items()):
        pixels = numpy.asarray(Image.open(folder / name).convert("RGB"), dtype=numpy.float32)
        picture = torch.from_numpy(pixels / 255).permute(2, 0, 1)
        verdict = judge(picture, caption)
        tally.add(verdict)
        expected = drawn_detail(caption, picture.shape[-1])
        if expected is not None:
            tally.details.append(detail(picture) / expected)
        wrong = [attribute for attribute, right in verdict.items() if not right]
        if list_wrong and wrong:
            print(name, " ".join(w for w in caption if w != scenes.PAD), "- wrong:", ", ".join(wrong))
    tally.show()


def caption_of(scene):
    """Seven words of one scene table row, everything said."""
    single = scenes.Scenes.unstacked(scene[None])
    said = scenes.said_attributes(single, torch.Generator().manual_seed(0), 0.0)
    return [scenes.VOCABULARY[token] for token in scenes.caption_tokens(single, said)[0].tolist()]


def validate(count):
    """Drawn scenes must be judged right; the same pictures with one attribute changed must be judged wrong."""
    generator = torch.Generator().manual_seed(5)
    drawn = scenes.random_scenes(count, generator, held_out=True)
    table = drawn.stacked()
    pictures = (scenes.render(drawn, scenes.Jitter.random(count, generator), 128) + 1) / 2
    truth = Tally()
    limits = (len(scenes.TIMES), len(scenes.GROUNDS), 3, len(scenes.OBJECTS), len(scenes.COLOURS), 3)
    noticed = {name: [0, 0] for name in FIGURES}
    for i in range(count):
        truth.add(judge(pictures[i], caption_of(table[i])))
        column = i % len(FIGURES)
        changed = table[i].clone()
        shift = torch.randint(1, limits[column], (1,), generator=generator)
        changed[column] = (changed[column] + shift) % limits[column]
        verdict = judge(pictures[i], caption_of(changed))
        name = FIGURES[column]
        if name in verdict:
            noticed[name][0] += not verdict[name]
            noticed[name][1] += 1
    print("drawn scenes judged right:")
    truth.show()
    print("one attribute of the caption changed, judged wrong:")
    for name, (found, judged) in noticed.items():
        print(f"{name:40} {found:4} of {judged:4}  {100 * found / max(judged, 1):5.1f} %")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["pictures", "validate"])
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=400, help="scenes of `validate`")
    parser.add_argument("--list-wrong", action="store_true")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    if options.command == "validate":
        validate(options.count)
    else:
        check_pictures(options.folder, options.list_wrong)


if __name__ == "__main__":
    main()
