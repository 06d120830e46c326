"""Procedural picture-book scenes with captions: the training data of the starter model.

A scene is six attributes (time of day, ground, place of the sun or moon, object, its
colour, its place) plus a little geometric jitter. Everything is drawn here from signed
distance functions, so the data carries no licence but the project's own.

Lengths are fractions of the picture's side; x grows to the right, y grows downwards.
Pictures are tensors (batch, 3, side, side) with values in -1..1.
"""

import contextlib
import math
from dataclasses import dataclass

import torch

TIMES = ("day", "sunset", "night")
GROUNDS = ("sea", "hills", "desert", "snow")
PLACES = ("left", "middle", "right")
OBJECTS = ("none", "house", "tree", "boat", "mountain")
COLOURS = ("red", "blue", "white", "yellow", "green")
NATURAL_COLOUR = len(COLOURS)
"""Colour index of an unpainted mountain; no word names it."""

SLOTS = ("time", "ground", "light", "light_place", "object", "colour", "object_place")
"""What each caption position holds. A position whose attribute is not said holds the pad."""

SLOT_WORDS = (
    TIMES,
    GROUNDS,
    ("sun", "moon"),
    tuple(f"light-{place}" for place in PLACES),
    OBJECTS,
    COLOURS,
    tuple(f"object-{place}" for place in PLACES),
)
PAD = "<pad>"
VOCABULARY = (PAD,) + tuple(word for words in SLOT_WORDS for word in words)
TOKEN_OF = {word: token for token, word in enumerate(VOCABULARY)}
CAPTION_LENGTH = len(SLOTS)

SKY = torch.tensor(
    [
        [[0.30, 0.62, 0.94], [0.57, 0.81, 0.98], [0.80, 0.91, 0.98]],
        [[0.38, 0.28, 0.60], [0.93, 0.50, 0.48], [1.00, 0.80, 0.48]],
        [[0.05, 0.07, 0.22], [0.10, 0.14, 0.36], [0.22, 0.26, 0.53]],
    ]
)
"""Per time of day: colour at the top, half-way down, and at the horizon."""

GROUND_BACK = torch.tensor([[0.20, 0.55, 0.82], [0.58, 0.80, 0.37], [0.97, 0.84, 0.58], [0.88, 0.93, 0.99]])
GROUND_FRONT = torch.tensor([[0.10, 0.38, 0.68], [0.36, 0.66, 0.27], [0.90, 0.70, 0.40], [1.00, 1.00, 1.00]])
GROUND_TINT = torch.tensor([[1.00, 1.00, 1.00], [0.98, 0.78, 0.72], [0.38, 0.42, 0.62]])
OBJECT_TINT = torch.tensor([[1.00, 1.00, 1.00], [0.98, 0.86, 0.80], [0.66, 0.66, 0.80]])
LIGHT_COLOUR = torch.tensor([[1.00, 0.86, 0.25], [1.00, 0.93, 0.62], [0.97, 0.96, 0.86]])
OBJECT_COLOUR = torch.tensor(
    [
        [0.86, 0.20, 0.20],
        [0.18, 0.40, 0.88],
        [0.97, 0.96, 0.94],
        [0.99, 0.80, 0.16],
        [0.22, 0.62, 0.30],
        [0.50, 0.51, 0.62],
    ]
)
ROOF = (0.47, 0.27, 0.23)
WOOD = (0.45, 0.29, 0.18)
DARK = (0.22, 0.17, 0.22)
SAND = (0.93, 0.80, 0.52)
SNOW_CAP = (0.97, 0.98, 1.00)

LIGHT_X = (0.20, 0.50, 0.80)
OBJECT_X = (0.21, 0.50, 0.79)
STARS = (
    (0.05, 0.07, 1.0), (0.11, 0.30, 0.8), (0.16, 0.44, 0.7), (0.22, 0.05, 0.7), (0.29, 0.36, 1.0),
    (0.34, 0.12, 0.9), (0.37, 0.47, 0.6), (0.42, 0.27, 0.7), (0.47, 0.04, 0.8), (0.52, 0.40, 0.9),
    (0.59, 0.31, 0.7), (0.64, 0.10, 1.0), (0.66, 0.46, 0.7), (0.71, 0.35, 0.9), (0.76, 0.04, 0.7),
    (0.84, 0.42, 0.8), (0.90, 0.31, 1.0), (0.95, 0.06, 0.9), (0.97, 0.47, 0.7), (0.03, 0.40, 0.8),
)  # fmt: skip
"""Fixed star field: x, y, brightness."""
FLOWERS = (
    (0.06, 0.88), (0.15, 0.95), (0.27, 0.90), (0.36, 0.96), (0.45, 0.89),
    (0.55, 0.95), (0.63, 0.90), (0.74, 0.96), (0.84, 0.89), (0.94, 0.94),
)  # fmt: skip


@dataclass
class Scenes:
    """Attributes of a batch of scenes, each an integer tensor of shape (batch,)."""

    time: torch.Tensor
    ground: torch.Tensor
    light_place: torch.Tensor
    object: torch.Tensor
    colour: torch.Tensor
    object_place: torch.Tensor

    def __len__(self):
        return len(self.time)

    def stacked(self):
        """All attributes as one (batch, 6) tensor, in declaration order."""
        return torch.stack(
            [self.time, self.ground, self.light_place, self.object, self.colour, self.object_place], 1
        )

    @staticmethod
    def unstacked(table):
        """The inverse of `stacked`."""
        return Scenes(*table.unbind(1))


@dataclass
class Jitter:
    """Small geometric freedom of a batch of scenes, each a tensor of shape (batch,) in -1..1."""

    horizon: torch.Tensor
    light_x: torch.Tensor
    light_y: torch.Tensor
    object_x: torch.Tensor
    object_size: torch.Tensor
    terrain: torch.Tensor
    drift: torch.Tensor

    @staticmethod
    def random(count, generator):
        """Uniform jitter for `count` scenes."""
        return Jitter(*(torch.rand(7, count, generator=generator) * 2 - 1))

    @staticmethod
    def none(count):
        """The central geometry, `count` times."""
        return Jitter(*torch.zeros(7, count))


def is_held_out(table):
    """True for the attribute combinations (about one in ten) that training never sees.

    `table` is a (batch, 6) tensor of attributes. Colour and object place do not count when
    there is no object. Every single attribute value still occurs often in training.
    """
    time, ground, light_place, kind, colour, place = table.unbind(1)
    empty = kind == 0
    colour = torch.where(empty, 0, colour)
    place = torch.where(empty, 0, place)
    code = time * 7 + ground * 11 + light_place * 17 + kind * 29 + colour * 41 + place * 59
    code = code + time * ground * 3 + light_place * place * 5 + kind * colour * 13
    return code % 10 == 7


def random_scenes(count, generator, held_out=False):
    """`count` random scenes, from the training combinations or from the held-out ones."""
    limits = (len(TIMES), len(GROUNDS), len(PLACES), len(OBJECTS), len(COLOURS), len(PLACES))
    chosen = torch.empty(0, len(limits), dtype=torch.long)
    while len(chosen) < count:
        table = torch.stack([torch.randint(n, (2 * count + 20,), generator=generator) for n in limits], 1)
        chosen = torch.cat([chosen, table[is_held_out(table) == held_out]])
    return Scenes.unstacked(chosen[:count])


def said_attributes(scenes, generator, drop=0.12):
    """Which caption positions are said, as a boolean (batch, slots) tensor; each is left out with probability `drop`.

    The colour and place of an object are never said without the object.
    """
    said = torch.rand(len(scenes), CAPTION_LENGTH, generator=generator) >= drop
    named = said[:, 4] & (scenes.object > 0)
    said[:, 5] &= named & (scenes.colour != NATURAL_COLOUR)
    said[:, 6] &= named
    return said


def with_natural_colours(scenes, said):
    """Scenes in which an object whose colour is not said takes its natural one: green trees, grey mountains."""
    unsaid = ~said[:, 5]
    colour = torch.where(unsaid & (scenes.object == OBJECTS.index("tree")), COLOURS.index("green"), scenes.colour)
    colour = torch.where(unsaid & (scenes.object == OBJECTS.index("mountain")), NATURAL_COLOUR, colour)
    return Scenes(scenes.time, scenes.ground, scenes.light_place, scenes.object, colour, scenes.object_place)


def caption_tokens(scenes, said):
    """Token ids (batch, slots) of the captions; unsaid positions hold the pad, token 0."""
    first = torch.tensor([TOKEN_OF[words[0]] for words in SLOT_WORDS])
    moon = (scenes.time == TIMES.index("night")).long()
    colour = scenes.colour.clamp(max=len(COLOURS) - 1)
    values = torch.stack(
        [scenes.time, scenes.ground, moon, scenes.light_place, scenes.object, colour, scenes.object_place], 1
    )
    return torch.where(said, first + values, 0)


def caption_text(tokens):
    """One caption's token ids as readable words, pads left out."""
    return " ".join(VOCABULARY[token] for token in tokens.tolist() if token)


class Canvas:
    """A batch of pictures (0..1) under construction, with coordinate grids and anti-aliased painting."""

    def __init__(self, pixels, side, top=0):
        self.pixels = pixels
        self.side = side
        self.x = ((torch.arange(side) + 0.5) / side).view(1, 1, side)
        self.y = ((torch.arange(top, top + pixels.shape[2]) + 0.5) / side).view(1, -1, 1)

    @contextlib.contextmanager
    def part(self, chosen, top, bottom):
        """A canvas of the `chosen` pictures only (boolean (batch,)) between two heights; copied back at the end.

        Yields the canvas and the indices of the chosen pictures.
        """
        rows = chosen.nonzero().flatten()
        first, last = int(top * self.side), math.ceil(bottom * self.side)
        part = Canvas(self.pixels[rows, :, first:last], self.side, first)
        yield part, rows
        if len(rows):
            self.pixels[rows, :, first:last] = part.pixels

    def cover(self, distance):
        """Coverage 0..1 of a shape given its signed distance (negative inside)."""
        return (0.5 - distance * self.side / 1.3).clamp(0, 1)

    def paint(self, colour, alpha):
        """Blends `colour` (three numbers, (batch, 3) or a full picture) over the canvas with `alpha` (batch, height, side)."""
        if not torch.is_tensor(colour):
            colour = torch.tensor(colour)
        if colour.dim() == 1:
            colour = colour.view(1, 3, 1, 1)
        elif colour.dim() == 2:
            colour = colour[:, :, None, None]
        self.pixels += (colour - self.pixels) * alpha.unsqueeze(1)

    def outlined(self, distance, colour, outline, weight=0.55):
        """Fills a shape and draws its outline."""
        self.paint(colour, self.cover(distance))
        self.paint(outline, weight * self.cover(distance.abs() - 0.005))


def disc(x, y, centre_x, centre_y, radius):
    """Signed distance to a disc."""
    return ((x - centre_x) ** 2 + (y - centre_y) ** 2).sqrt() - radius


def ellipse(x, y, centre_x, centre_y, half_width, half_height):
    """Approximate signed distance to an ellipse."""
    scaled = (((x - centre_x) / half_width) ** 2 + ((y - centre_y) / half_height) ** 2).sqrt()
    return (scaled - 1) * half_height


def box(x, y, left, right, top, bottom):
    """Signed distance to an upright box (exact inside, a bound outside)."""
    return torch.maximum(torch.maximum(left - x, x - right), torch.maximum(top - y, y - bottom))


def _column(values):
    """Shapes a (batch,) tensor for broadcasting over pictures."""
    return values.view(-1, 1, 1)


def _spots(canvas, spots, radius):
    """Alpha of soft spots at fixed positions (x, y[, strength])."""
    alpha = torch.zeros(1, canvas.y.shape[1], canvas.side)
    for spot in spots:
        strength = spot[2] if len(spot) > 2 else 1.0
        squared = (canvas.x - spot[0]) ** 2 + (canvas.y - spot[1]) ** 2
        alpha = torch.maximum(alpha, strength * torch.exp((-squared / (2 * radius**2)).clamp(min=-20)))
    return alpha


def _draw_sky(canvas, scenes, jitter):
    """Gradient, then clouds by day, streaks of cloud at sunset, and stars at night."""
    t = (canvas.y / 0.60).clamp(0, 1).view(1, 1, -1, 1)
    palette = SKY[:, :, :, None, None]
    upper = palette[:, 0] + (palette[:, 1] - palette[:, 0]) * (2 * t).clamp(max=1)
    lower = palette[:, 1] + (palette[:, 2] - palette[:, 1]) * (2 * t - 1).clamp(min=0)
    canvas.pixels[:] = torch.where(t < 0.5, upper, lower)[scenes.time]
    drift = 0.03 * _column(jitter.drift)
    with canvas.part(scenes.time == TIMES.index("night"), 0.0, 0.52) as (part, rows):
        part.paint((0.96, 0.96, 1.0), _spots(part, STARS, 0.0065))
    with canvas.part(scenes.time == TIMES.index("day"), 0.27, 0.50) as (part, rows):
        clouds = torch.full((1, 1, 1), 9.0)
        for x, y, scale in ((0.33, 0.38, 1.0), (0.66, 0.42, 0.8), (0.02, 0.42, 0.8), (0.98, 0.36, 0.9)):
            for shift, lift, radius in ((-0.055, 0.0, 0.030), (0.0, -0.022, 0.042), (0.055, 0.0, 0.032)):
                puff = disc(part.x, part.y, x + drift[rows] + shift * scale, y + lift * scale, radius * scale)
                clouds = torch.minimum(clouds, puff)
        part.paint((1.0, 1.0, 1.0), 0.88 * part.cover(clouds))
    with canvas.part(scenes.time == TIMES.index("sunset"), 0.27, 0.50) as (part, rows):
        for x, y, half_width in ((0.25, 0.36, 0.16), (0.74, 0.30, 0.14), (0.60, 0.44, 0.20)):
            streak = ellipse(part.x, part.y, x + drift[rows], y, half_width, 0.013)
            part.paint((0.99, 0.70, 0.62), 0.75 * part.cover(streak))


def _draw_light(canvas, scenes, jitter):
    """The sun, or at night a moon with two craters, each with its halo; returns its x and its colour."""
    x = _column(torch.tensor(LIGHT_X)[scenes.light_place] + 0.025 * jitter.light_x)
    y = _column(0.17 + 0.02 * jitter.light_y)
    colour = LIGHT_COLOUR[scenes.time]
    with canvas.part(scenes.time >= 0, 0.0, 0.45) as (part, rows):
        distance = disc(part.x, part.y, x, y, 0.082)
        part.paint(colour, 0.42 * torch.exp(-(distance.clamp(min=0) * 20)))
        part.paint(colour, part.cover(distance))
    with canvas.part(scenes.time == TIMES.index("night"), 0.05, 0.30) as (part, rows):
        for dx, dy, radius in ((-0.025, -0.015, 0.018), (0.028, 0.025, 0.014)):
            part.paint((0.84, 0.83, 0.76), part.cover(disc(part.x, part.y, x[rows] + dx, y[rows] + dy, radius)))
    return x, colour


def _draw_mountains(canvas, scenes, jitter, horizon):
    """Mountains stand behind the ground: a lit and a shaded flank and a snow cap."""
    with canvas.part(scenes.object == OBJECTS.index("mountain"), 0.25, 0.68) as (part, rows):
        x = _column(torch.tensor(OBJECT_X)[scenes.object_place[rows]] + 0.02 * jitter.object_x[rows])
        peak = horizon[rows] - 0.30 * (1 + 0.05 * _column(jitter.object_size[rows]))
        tint = OBJECT_TINT[scenes.time[rows]]
        body = OBJECT_COLOUR[scenes.colour[rows]] * 0.92 * tint
        distance = ((part.x - x).abs() * 1.18 - (part.y - peak)) * 0.65
        alpha = part.cover(distance)
        part.paint(body, alpha)
        part.paint(body * 0.74, alpha * part.cover(x + 0.025 * torch.sin((part.y - peak) * 40) - part.x))
        zigzag = ((part.x - x) * 16 % 1 - 0.5).abs() * 0.05
        part.paint(torch.tensor(SNOW_CAP) * tint, alpha * part.cover(part.y - peak - 0.085 - zigzag))
        part.paint(DARK, 0.35 * part.cover(distance.abs() - 0.004))


def _draw_ground(canvas, scenes, jitter, horizon, light_x, light_colour):
    """A far and a near layer of land, or water with waves and the light's reflection."""
    tint = GROUND_TINT[scenes.time]
    back, front = GROUND_BACK[scenes.ground] * tint, GROUND_FRONT[scenes.ground] * tint
    phase = 0.6 * _column(jitter.terrain)
    with canvas.part(scenes.ground != GROUNDS.index("sea"), 0.54, 1.0) as (part, rows):
        far = horizon[rows] + 0.020 * torch.sin(2 * math.pi * 1.1 * part.x + phase[rows])
        near = horizon[rows] + 0.17 + 0.035 * torch.sin(2 * math.pi * 0.8 * part.x + 2.2 + phase[rows])
        part.paint(back[rows], part.cover(far - part.y))
        part.paint(front[rows], part.cover(near - part.y))
        part.paint(back[rows], 0.5 * part.cover((near - part.y).abs() - 0.006))
    with canvas.part(scenes.ground == GROUNDS.index("sea"), 0.54, 1.0) as (part, rows):
        level = horizon[rows]
        water = part.cover(level - part.y).expand(-1, -1, part.side)
        part.paint(back[rows], water)
        part.paint(front[rows], water * ((part.y - level) / 0.40).clamp(0, 1))
        lines = (part.y - 0.60) * 24
        crest = torch.sin(2 * math.pi * (part.x * 5 + 0.5 * torch.floor(lines)))
        wave = part.cover(((lines % 1 - 0.5) / 24 - 0.006 * crest).abs() - 0.0035) * (crest > -0.2).float()
        part.paint((0.92, 0.97, 1.0), 0.22 * water * wave)
        width = 0.05 + 0.20 * (part.y - level).clamp(min=0)
        glint = torch.exp(-(((part.x - light_x[rows]) / width) ** 2).clamp(max=20))
        stripes = 0.5 + 0.5 * torch.sin(2 * math.pi * lines)
        part.paint(light_colour[rows], 0.65 * water * glint * stripes)
    with canvas.part(scenes.ground == GROUNDS.index("hills"), 0.82, 1.0) as (part, rows):
        part.paint(torch.tensor((1.0, 0.93, 0.75)) * tint[rows], _spots(part, FLOWERS, 0.010))


def _draw_house(part, x, base, size, body, tint, time):
    """Walls in the said colour, a roof, a door and two windows that are lit in the dark."""
    at_x, at_y = (part.x - x) / size, (part.y - base) / size
    roof, wood = torch.tensor(ROOF) * tint, torch.tensor(WOOD) * 0.75 * tint
    part.outlined(box(at_x, at_y, torch.tensor(0.055), torch.tensor(0.09), -0.29, -0.17), roof * 0.8, DARK)
    part.outlined(box(at_x, at_y, torch.tensor(-0.115), torch.tensor(0.115), -0.17, 0.0), body, DARK)
    gable = torch.maximum(at_x.abs() * 0.95 - (at_y + 0.305), at_y + 0.155) * 0.72
    part.outlined(gable, roof, DARK)
    part.paint(wood, part.cover(box(at_x, at_y, torch.tensor(-0.026), torch.tensor(0.026), -0.095, 0.0)))
    lit = torch.tensor([[0.62, 0.82, 0.95], [1.0, 0.90, 0.50], [1.0, 0.88, 0.42]])[time]
    for side in (-0.072, 0.072):
        pane = box(at_x, at_y, torch.tensor(side - 0.022), torch.tensor(side + 0.022), -0.115, -0.065)
        part.outlined(pane, lit, DARK, 0.4)


def _draw_tree(part, x, base, size, body, tint, time):
    """A trunk and a round crown of the said colour."""
    at_x, at_y = (part.x - x) / size, (part.y - base) / size
    part.outlined(box(at_x, at_y, torch.tensor(-0.02), torch.tensor(0.02), -0.16, 0.0), torch.tensor(WOOD) * tint, DARK)
    crown = torch.minimum(disc(at_x, at_y, 0.0, -0.25, 0.095), disc(at_x, at_y, -0.07, -0.185, 0.07))
    crown = torch.minimum(crown, disc(at_x, at_y, 0.07, -0.185, 0.07))
    part.outlined(crown, body, DARK)
    part.paint((body * 1.25).clamp(max=1), 0.6 * part.cover(disc(at_x, at_y, -0.028, -0.275, 0.042)))


def _draw_boat(part, x, base, size, body, tint, time):
    """A wooden hull, a mast and two sails of the said colour."""
    at_x, at_y = (part.x - x) / size, (part.y - base) / size
    wood = torch.tensor(WOOD) * tint
    part.paint(wood, part.cover(box(at_x, at_y, torch.tensor(-0.006), torch.tensor(0.006), -0.31, -0.04)))
    main = torch.maximum(torch.maximum(0.012 - at_x, at_x - 0.012 - (at_y + 0.30) * 0.50), at_y + 0.065) * 0.9
    part.outlined(main, body, DARK)
    jib = torch.maximum(torch.maximum(at_x + 0.012, -at_x - 0.012 - (at_y + 0.25) * 0.50), at_y + 0.065) * 0.9
    part.outlined(jib, body * 0.88, DARK)
    hull = torch.maximum(at_x.abs() - 0.135 + (at_y + 0.05).clamp(min=0) * 0.9, (at_y + 0.02).abs() - 0.032)
    part.outlined(hull, wood, DARK)


def _draw_objects(canvas, scenes, jitter, horizon):
    """House, tree or boat in front of the far ground; on the sea, house and tree get an islet."""
    painters = {"house": _draw_house, "tree": _draw_tree, "boat": _draw_boat}
    for name, painter in painters.items():
        with canvas.part(scenes.object == OBJECTS.index(name), 0.38, 0.82) as (part, rows):
            time = scenes.time[rows]
            x = _column(torch.tensor(OBJECT_X)[scenes.object_place[rows]] + 0.02 * jitter.object_x[rows])
            base = horizon[rows] + 0.15
            size = 1 + 0.05 * _column(jitter.object_size[rows])
            tint = OBJECT_TINT[time]
            sea = _column((scenes.ground[rows] == GROUNDS.index("sea")).float())
            foot = ellipse(part.x, part.y, x, base + 0.005, 0.19, 0.030)
            if name != "boat":
                part.paint(torch.tensor(SAND) * GROUND_TINT[time], sea * part.cover(foot - 0.004))
                part.paint(DARK, (1 - sea) * 0.22 * part.cover(foot + 0.008))
            else:
                part.paint(DARK, 0.22 * part.cover(foot + 0.010))
            painter(part, x, base, size, OBJECT_COLOUR[scenes.colour[rows]] * tint, tint, time)


def render(scenes, jitter, side):
    """Draws a batch of scenes; returns (batch, 3, side, side) with values in -1..1."""
    canvas = Canvas(torch.zeros(len(scenes), 3, side, side), side)
    horizon = _column(0.60 + 0.012 * jitter.horizon)
    _draw_sky(canvas, scenes, jitter)
    light_x, light_colour = _draw_light(canvas, scenes, jitter)
    _draw_mountains(canvas, scenes, jitter, horizon)
    _draw_ground(canvas, scenes, jitter, horizon, light_x, light_colour)
    _draw_objects(canvas, scenes, jitter, horizon)
    return canvas.pixels.clamp(0, 1) * 2 - 1


def random_batch(count, side, generator, held_out=False, drop=0.12):
    """Pictures and caption tokens of `count` random scenes."""
    scenes = random_scenes(count, generator, held_out)
    said = said_attributes(scenes, generator, drop)
    scenes = with_natural_colours(scenes, said)
    pictures = render(scenes, Jitter.random(count, generator), side)
    return pictures, caption_tokens(scenes, said)
