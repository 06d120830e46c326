/** Draws the fake server's pictures: a small scene as PNG, different for each seed, with nothing but Node. */
import { deflateSync } from 'node:zlib';

type Colour = readonly [number, number, number];

const mix = (a: Colour, b: Colour, share: number): Colour => {
  const part = Math.min(1, Math.max(0, share));
  return [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part];
};

const SKIES: readonly [Colour, Colour][] = [
  [[38, 44, 92], [246, 158, 92]],
  [[88, 150, 208], [226, 236, 240]],
  [[14, 18, 42], [62, 74, 120]],
];

/** Sea, sun and a boat; x and y from 0 to 1. */
function scene(x: number, y: number, seed: number): Colour {
  const [top, low] = SKIES[seed % SKIES.length] ?? [[0, 0, 0], [255, 255, 255]];
  const horizon = 0.62;
  const sun = { x: 0.3 + ((seed * 37) % 40) / 100, y: 0.5 };
  const boat = { x: 0.7 - ((seed * 53) % 40) / 100, y: 0.7 };
  const dx = x - boat.x;
  const dy = y - boat.y;
  if (dy > 0 && dy < 0.07 && Math.abs(dx) < 0.14 - dy * 0.8) return [176, 36, 34];
  if (dx > 0.005 && dy > -0.2 && dy < -0.015 && dx < (dy + 0.2) * 0.6) return [240, 234, 222];
  if (dx < -0.008 && dy > -0.16 && dy < -0.015 && -dx < (dy + 0.16) * 0.5) return [222, 212, 198];
  if (Math.abs(dx) < 0.005 && dy > -0.22 && dy <= 0) return [70, 50, 44];
  if (y < horizon) {
    const distance = Math.hypot(x - sun.x, y - sun.y);
    const sky = mix(top, low, y / horizon);
    return distance < 0.085 ? [255, 226, 168] : mix([255, 206, 140], sky, 0.35 + distance * 1.7);
  }
  const depth = (y - horizon) / (1 - horizon);
  const sea = mix(mix(low, [20, 52, 84], 0.55), [12, 30, 54], depth);
  const wave = Math.sin(x * 46 + Math.sin(y * 90) * 3) * Math.sin(y * 210 + x * 8);
  const glitter = Math.abs(x - sun.x) < 0.05 + depth * 0.12 && wave > 0.2 ? 0.6 : 0;
  return mix(mix(sea, [255, 255, 255], wave > 0.55 ? 0.1 : 0), [255, 214, 150], glitter);
}

const CRC = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = (CRC[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE((crc ^ 0xffffffff) >>> 0, out.length - 4);
  return out;
}

export function picture(width: number, height: number, seed: number): Buffer {
  const rows = Buffer.alloc((width * 3 + 1) * height);
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    at += 1;
    for (let x = 0; x < width; x += 1) {
      for (const part of scene((x + 0.5) / width, (y + 0.5) / height, seed)) {
        rows[at] = Math.min(255, Math.max(0, Math.round(part)));
        at += 1;
      }
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
