"""A network that learns to measure on lesions nobody has: domain-randomised pairs of visits.

python benchmarks/pretraining.py --out WEIGHTS.pt [--samples 120000] [--seed 0] [--workers 1]

Lesions of random shape and texture lose random parts of themselves (from outside in, from inside
out, from one side, in foci) to a random level, and are seen at two visits through a channel of
random contrast, point spread, noise, shading and misregistration, with an outline that is wrong.
What the network is to tell of the noisy pair is what the noise-free tissue says: how much is left,
how hot, how compact, how deep, how strewn, and a map of it. Nothing here knows of either simulated
world: no rule ties what is left to an outcome. The idea is that of SynthSeg (Billot et al., Medical
Image Analysis 2023): what is drawn widely enough holds what is met.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fields import EDGE, INSIDE, OUTSIDE
from benchmarks.harness import commit, describe_torch

M = TypeVar("M", bound=nn.Module)
TARGETS = (
    "left_ln",
    "level_ln",
    "bed",
    "gyration_ln",
    "depth",
    "depth_spread",
    "offset",
    "roughness_ln",
    "hollowness",
    "texture",
    "concentric",
    "strewn",
    "change10",
    "change50",
    "change90",
)
INPUTS = 5
"""Input maps: both visits, the outline, what lies inside it, and 1."""


class Tissue:
    """Random pairs of visits, a batch at a time.

    Args:
        batch: Pairs at once.
        seed: Of everything that is drawn.
    """

    def __init__(self, batch: int, seed: int) -> None:
        self._batch, self._made = batch, torch.Generator().manual_seed(seed)
        self._points = _places(EDGE)
        whole, half = torch.fft.fftfreq(EDGE), torch.fft.rfftfreq(EDGE)
        wave = torch.meshgrid(whole, whole, half, indexing="ij")
        self._wave = torch.stack(wave) * 2 * math.pi  # radians a voxel
        self._wave2 = (self._wave**2).sum(0)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(self._batch, *shape, generator=self._made)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(self._batch, *shape, generator=self._made)

    def _smooth(self, width: Tensor, number: int) -> Tensor:
        """(B, number, e, e, e) normal fields of a correlation length ``width`` (B, number)."""
        noise = self._normal(number, EDGE, EDGE, EDGE)
        spectrum = torch.fft.rfftn(noise, dim=(2, 3, 4))
        spectrum *= torch.exp(-0.5 * (width[..., None, None, None] ** 2) * self._wave2)
        spectrum[..., 0, 0, 0] = 0
        field = torch.fft.irfftn(spectrum, s=(EDGE,) * 3, dim=(2, 3, 4))
        return field / field.std(dim=(2, 3, 4), keepdim=True).clamp(min=1e-6)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (B, 5, e, e, e), targets (B, 15), map of what is left (B, e/2, e/2, e/2)."""
        b = self._batch
        # --- a lesion: an ellipsoid of rough surface; 1 in the middle, 0 at the outline
        axes = self._uniform(0.45, 0.72, 1) * torch.exp(0.22 * self._normal(3))
        axes = axes / (axes.amax(1, keepdim=True) / self._uniform(0.5, 0.75, 1))
        turn = torch.linalg.qr(self._normal(3, 3))[0]
        centre = 0.04 * self._normal(3)
        local = torch.einsum("bij,jxyz->bixyz", turn, self._points) - centre[..., None, None, None]
        smooth = self._smooth(
            torch.cat([self._uniform(2.0, 5.0, 1), self._uniform(0.8, 5.0, 3)], dim=1), 4
        )
        rough = (self._uniform(0.0, 0.6) ** 2)[:, None, None, None]
        inside = 1.0 - (local / axes[..., None, None, None]).norm(dim=1) + rough * smooth[:, 0]
        lesion = torch.sigmoid(inside / 0.04)
        depth = (inside / inside.flatten(1).amax(1)[:, None, None, None]).clamp(0, 1)
        # --- what is left of it
        weight = torch.stack(
            [self._normal(), self._normal().abs(), 0.4 * self._normal()], dim=1
        ) * self._uniform(0.2, 1.6, 3)
        side = functional.normalize(self._normal(3), dim=1)
        along = torch.einsum("bi,ixyz->bxyz", side, self._points)
        deep = depth - 0.4
        score = (
            2.5 * weight[:, 0, None, None, None] * deep
            + weight[:, 1, None, None, None] * smooth[:, 1]
            + 2.0 * weight[:, 2, None, None, None] * along
        )
        share = self._uniform(0.02, 1.05)
        bound = _quantile(score, lesion, 1.0 - share.clamp(max=1.0))
        spread = _deviation(score, lesion)
        soft = (self._uniform(0.03, 0.35) * spread)[:, None, None, None]
        left = torch.sigmoid((score - bound[:, None, None, None]) / soft) * lesion
        left = torch.where((share > 1.0)[:, None, None, None], lesion, left)
        hollow = (self._uniform(-0.4, 1.0)).clamp(min=0)
        texture = self._uniform(0.0, 0.5)
        first = lesion * (
            (1.0 - 0.9 * hollow[:, None, None, None] * (depth / 0.7).clamp(max=1.0) ** 1.5)
            * torch.exp(texture[:, None, None, None] * smooth[:, 2])
        )
        level = torch.exp(self._uniform(math.log(0.15), math.log(1.3)))
        bed = self._uniform(0.0, 0.35) * (torch.rand(b, generator=self._made) < 0.7)
        second = first * left * level[:, None, None, None]
        second = second + bed[:, None, None, None] * lesion * (1.0 - left)
        targets, kept = self._targets(first, second, lesion, depth, left, weight)
        targets[:, 1], targets[:, 2] = level.log(), bed
        targets[:, 8], targets[:, 9] = hollow, texture
        # --- what the scanners show
        inputs = self._scan(first, left, lesion, level, bed, smooth[:, 3], inside)
        return inputs, targets, kept

    def _targets(
        self,
        first: Tensor,
        second: Tensor,
        lesion: Tensor,
        depth: Tensor,
        left: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        size = lesion.flatten(1).sum(1)
        mass = left.flatten(1).sum(1).clamp(min=1e-3)
        share = mass / size
        at, of_lesion = _centre(left, mass), _centre(lesion, size)
        gyration = _gyration_squared(left, mass, at).sqrt()
        radius, bed_radius = _ball_radius(mass, EDGE), _ball_radius(size, EDGE)
        deep = (left * depth).flatten(1).sum(1) / mass
        spread = ((left * depth**2).flatten(1).sum(1) / mass - deep**2).clamp(min=0).sqrt()
        rough = (_edges(left) / mass ** (2 / 3)).clamp(min=1e-2).log()
        loss = second - first
        tenths = [_quantile(loss, lesion, torch.full((len(size),), q)) for q in (0.1, 0.5, 0.9)]
        strength = weight.abs().sum(1)
        blank = torch.zeros_like(size)
        columns = [
            share.log().clamp(min=-5.0),
            blank,
            blank,
            (gyration / (math.sqrt(0.6) * radius.clamp(min=0.05))).log(),
            deep,
            spread,
            (at - of_lesion).norm(dim=1) / bed_radius,
            rough,
            blank,
            blank,
            weight[:, 0] / strength,
            weight[:, 1] / strength,
            *tenths,
        ]
        return torch.stack(columns, dim=1), functional.avg_pool3d(left[:, None], 2)[:, 0]

    def _scan(
        self,
        first: Tensor,
        left: Tensor,
        lesion: Tensor,
        level: Tensor,
        bed: Tensor,
        own: Tensor,
        inside: Tensor,
    ) -> Tensor:
        b, c = self._batch, 1
        rough_width = self._uniform(2.0, 5.0, 1)
        # the outline a reader draws
        wrong = self._smooth(rough_width, 1)[:, 0] * self._uniform(0.0, 0.12)[:, None, None, None]
        drawn = inside + wrong + (0.09 * self._normal())[:, None, None, None]
        seen = (self._points[None] - 0.03 * self._normal(3)[..., None, None, None]).norm(dim=1)
        none = drawn.flatten(1).amax(1) <= 0.05
        drawn = torch.where(none[:, None, None, None], 0.5 - seen, drawn).clamp(OUTSIDE, INSIDE)
        within = (drawn > 0).float()
        # channels: the same tissue, each with a contrast, blur, noise and gain of its own
        power = self._uniform(0.3, 1.3, c)[..., None, None, None]
        grain = self._uniform(0.0, 0.25, c)[..., None, None, None] * own[:, None]
        before = first[:, None].clamp(min=1e-4) ** power * torch.exp(grain)
        fall, rest = level[:, None], bed[:, None, None, None, None]
        remains = left[:, None] * fall[..., None, None, None]
        after = before * remains + rest * (lesion * (1.0 - left))[:, None]
        truth = torch.stack([before, after], dim=1).flatten(0, 1).view(b, 2 * c, EDGE, EDGE, EDGE)
        # anatomy is that of both visits: shades, and glands or fat with edges, in some channels
        anatomy = self._smooth(self._uniform(0.8, 5.0, 3), 3)
        edged = torch.sigmoid(
            8.0 * (anatomy[:, 1:] - self._uniform(0.0, 1.5, 2)[..., None, None, None])
        )
        shades = self._uniform(-0.2, 0.2, c)[..., None, None, None] * anatomy[:, :1]
        strong = (torch.rand(b, c, 2, generator=self._made) < 0.15) * self._uniform(-0.6, 1.5, c, 2)
        shades = shades + torch.einsum("bck,bkxyz->bcxyz", strong, edged)
        truth = truth + (shades * (1.0 - lesion)[:, None]).repeat(1, 2, 1, 1, 1)
        blur = self._uniform(0.2, 2.2, c).repeat(1, 2)[..., None, None, None]
        shift = torch.cat([0.25 * self._normal(c, 3), 0.6 * self._normal(1, 3).expand(b, c, 3)], 1)
        spectrum = torch.fft.rfftn(truth, dim=(2, 3, 4))
        phase = torch.einsum("bci,ixyz->bcxyz", shift, self._wave)
        # at the largest frequency a shift has no sense of direction
        spectrum = spectrum * torch.polar(torch.exp(-0.5 * blur**2 * self._wave2), phase)
        clean = torch.fft.irfftn(spectrum, s=(EDGE,) * 3, dim=(2, 3, 4))
        noise = self._smooth(self._uniform(0.1, 1.6, 2 * c), 2 * c)
        strength = torch.exp(self._uniform(math.log(0.02), math.log(0.25), c)).repeat(1, 2)
        rising = 0.5 + 0.5 * clean.clamp(min=0.0, max=2.0).sqrt()
        seen_maps = clean + strength[..., None, None, None] * noise * rising
        gain = torch.exp(0.07 * self._normal(2 * c))[..., None, None, None]
        shade = 0.08 * self._normal(2 * c, 3)
        slope = torch.einsum("bci,ixyz->bcxyz", shade, self._points)
        seen_maps = (seen_maps + 0.05 * self._normal(2 * c)[..., None, None, None]) * gain
        seen_maps = seen_maps * (1.0 + slope) + slope
        return self._normalise(seen_maps, drawn, within)

    def _normalise(self, maps: Tensor, drawn: Tensor, within: Tensor) -> Tensor:
        """As ``fields.py`` does: against near tissue, in units of the first visit's contrast."""
        b, c = self._batch, 1
        shell = ((drawn > -0.65) & (drawn < -0.2)).float()
        near = _quantile(maps.flatten(0, 1), _each(shell, 2 * c), torch.full((b * 2 * c,), 0.5))
        maps = maps - near.view(b, 2 * c, 1, 1, 1)
        own = maps[:, :c].flatten(0, 1)
        contrast = _quantile(own, _each(within, c), torch.full((b * c,), 0.5)).view(b, c)
        spread = _quantile(own.abs(), _each(shell, c), torch.full((b * c,), 0.5)).view(b, c) * 1.48
        unit = torch.maximum(contrast.abs(), spread).clamp(min=1e-6)
        unit = torch.copysign(unit, contrast).repeat(1, 2)[..., None, None, None]
        maps = (maps / unit).clamp(-3.0, 5.0)
        return stacked(maps, drawn, within)


def stacked(maps: Tensor, drawn: Tensor, within: Tensor) -> Tensor:
    """What the network is given: (B, 5, e, e, e)."""
    return torch.cat([maps, torch.stack([drawn, within, torch.ones_like(drawn)], dim=1)], dim=1)


def _each(mask: Tensor, number: int) -> Tensor:
    return mask[:, None].expand(-1, number, -1, -1, -1).flatten(0, 1)


def _quantile(values: Tensor, weight: Tensor, at: Tensor) -> Tensor:
    """Weighted quantile (B,) of maps (B, e, e, e), where the weight is above a half."""
    # every second voxel along each axis tells it well enough
    values, weight = values[:, ::2, ::2, ::2], weight[:, ::2, ::2, ::2]
    flat, inside = values.flatten(1), weight.flatten(1) > 0.5
    ordered = torch.where(inside, flat, torch.inf).sort(dim=1).values
    number = inside.sum(1).clamp(min=1)
    index = (at * (number - 1)).round().long().clamp(min=0)
    found = ordered.gather(1, torch.minimum(index, number - 1)[:, None])[:, 0]
    return torch.where(torch.isfinite(found), found, 0.0)


def _deviation(values: Tensor, weight: Tensor) -> Tensor:
    total = weight.flatten(1).sum(1)
    mean = (values * weight).flatten(1).sum(1) / total
    square = ((values - mean[:, None, None, None]) ** 2 * weight).flatten(1).sum(1) / total
    return square.sqrt().clamp(min=1e-3)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(8, width)
        self.second = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.out = nn.GroupNorm(8, width)

    def forward(self, maps: Tensor) -> Tensor:
        inner = functional.silu(self.norm(self.first(maps)))
        return functional.silu(maps + self.out(self.second(inner)))


class Measurer(nn.Module):
    """A 3D CNN of two scales with moment pooling, and a map of what is left.

    Args:
        width: Filters of the finer scale.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv3d(INPUTS, width, 2, stride=2)
        self.fine = _Block(width)
        self.down = nn.Conv3d(width, 2 * width, 2, stride=2)
        self.coarse = nn.Sequential(_Block(2 * width), _Block(2 * width))
        self.up = nn.ConvTranspose3d(2 * width, width, 2, stride=2)
        self.join = nn.Sequential(_Block(width), nn.Conv3d(width, 1, 1))
        self.mix = nn.Sequential(nn.Linear(9 * width + 8, 96), nn.SiLU())
        self.head = nn.Linear(96, len(TARGETS))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (B, 5, e, e, e) to features (B, 96), targets (B, 15), logits of the map."""
        fine = self.fine(functional.silu(self.stem(inputs)))
        coarse = self.coarse(functional.silu(self.down(fine)))
        decoded = fine + self.up(coarse)
        logits = self.join(decoded)[:, 0]
        within = functional.avg_pool3d(inputs[:, -2:-1], 2)
        pooled = torch.cat(
            [
                coarse.mean(dim=(2, 3, 4)),
                _mean(coarse, functional.avg_pool3d(within, 2)),
                _mean(decoded, within),
                _deviation_of(decoded, within),
                _mean(decoded, torch.sigmoid(logits)[:, None]),
                _mean(coarse, functional.avg_pool3d(torch.sigmoid(logits)[:, None], 2)),
                self._moments(torch.sigmoid(logits), within[:, 0], inputs),
            ],
            dim=1,
        )
        features = self.mix(pooled)
        return features, self.head(features), logits

    def _moments(self, left: Tensor, within: Tensor, inputs: Tensor) -> Tensor:
        """Mass, centre, gyration and depth of the map: (B, 8)."""
        return moments_of_map(left, within, functional.avg_pool3d(inputs[:, -3:-2], 2)[:, 0])


def moments_of_map(left: Tensor, within: Tensor, drawn: Tensor) -> Tensor:
    """Of a map (B, m, m, m) of what is left: ln share, ln gyration over a ball's, distance of its
    centre from the outline's, mean depth, spread of depth, ln edges, its own sureness, its largest.
    """
    mass = left.flatten(1).sum(1).clamp(min=0.05)
    size = within.flatten(1).sum(1).clamp(min=1.0)
    at, of_lesion = _centre(left, mass), _centre(within, size)
    gyration = (_gyration_squared(left, mass, at) + 1e-6).sqrt()
    radius, bed_radius = (_ball_radius(each, left.shape[-1]) for each in (mass, size))
    deep = (left * drawn).flatten(1).sum(1) / mass
    spread = ((left * drawn**2).flatten(1).sum(1) / mass - deep**2).clamp(min=1e-6).sqrt()
    sure = (left * (1 - left)).flatten(1).sum(1) / mass
    columns = [
        (mass / size).log(),
        (gyration / radius).log(),
        ((at - of_lesion).pow(2).sum(1) + 1e-6).sqrt() / bed_radius,
        deep,
        spread,
        (_edges(left) / mass ** (2 / 3) + 1e-3).log(),
        sure,
        left.flatten(1).amax(1),
    ]
    return torch.stack(columns, dim=1)


def _places(edge: int) -> Tensor:
    """Where the voxels of a cube from -1 to 1 lie, (3, edge, edge, edge)."""
    steps = (torch.arange(edge) + 0.5) / edge * 2 - 1
    return torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"))


def _centre(maps: Tensor, mass: Tensor) -> Tensor:
    """Centre of mass (B, 3) of maps (B, m, m, m)."""
    points = _places(maps.shape[-1]).to(maps)
    return torch.einsum("bxyz,ixyz->bi", maps, points) / mass[:, None]


def _gyration_squared(maps: Tensor, mass: Tensor, at: Tensor) -> Tensor:
    """Mean square distance (B,) from a centre (B, 3)."""
    away = (_places(maps.shape[-1]).to(maps) - at[..., None, None, None]).pow(2).sum(1)
    return (maps * away).flatten(1).sum(1) / mass


def _ball_radius(voxels: Tensor, edge: int) -> Tensor:
    """Radius of a ball of so many voxels of a cube."""
    return (3.0 * voxels * (2.0 / edge) ** 3 / (4.0 * math.pi)) ** (1 / 3)


def _edges(maps: Tensor) -> Tensor:
    """Sum (B,) of the differences between neighbours."""
    return torch.stack([maps.diff(dim=d).abs().flatten(1).sum(1) for d in (1, 2, 3)]).sum(0)


def _mean(maps: Tensor, weight: Tensor) -> Tensor:
    total = weight.flatten(2).sum(2).clamp(min=0.5)
    return (maps * weight).flatten(2).sum(2) / total


def _deviation_of(maps: Tensor, weight: Tensor) -> Tensor:
    mean = _mean(maps, weight)
    return (_mean((maps - mean[..., None, None, None]) ** 2, weight) + 1e-6).sqrt()


class _Stream(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    def __init__(self, batch: int, seed: int) -> None:
        self._batch, self._seed = batch, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        tissue = Tissue(self._batch, self._seed * 64 + (0 if worker is None else worker.id))
        while True:
            inputs, targets, kept = tissue.draw()
            yield inputs.half(), targets, kept.half()


def in_channels_last(network: M) -> M:
    """The network, its weights laid out as the convolutions here are fastest."""
    # The annotations of torch know no call with a memory format alone.
    laid_out: M = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return laid_out


def pretrain(samples: int, batch: int, seed: int, workers: int) -> dict[str, object]:
    """Train a measurer; its weights, the targets' scale, and how well it tells fresh pairs."""
    torch.manual_seed(seed)
    model = in_channels_last(Measurer())
    scale = torch.cat([Tissue(64, 10_000 + k).draw()[1] for k in range(16)])
    mean, deviation = scale.mean(0), scale.std(0)
    steps = samples // batch
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps + 1)
    loader = DataLoader(_Stream(batch, seed), batch_size=None, num_workers=workers)
    start, running = time.perf_counter(), 0.0
    for step, (inputs, targets, kept) in zip(range(steps), loader, strict=False):
        dense = inputs.float().contiguous(memory_format=torch.channels_last_3d)
        _, said, logits = model(dense)
        wrong = functional.smooth_l1_loss(said, (targets - mean) / deviation)
        map_wrong = functional.binary_cross_entropy_with_logits(logits, kept.float())
        loss = wrong + map_wrong
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += (float(loss.detach()) - running) / min(step + 1, 50)
        if step % 50 == 0:
            pace = (step + 1) * batch / (time.perf_counter() - start)
            print(f"step {step} of {steps}, loss {running:.4f}, {pace:.0f} pairs/s", flush=True)
    told = explained(model, mean, deviation)
    print(told, flush=True)
    return {
        "weights": model.state_dict(),
        "mean": mean,
        "deviation": deviation,
        "explained": told,
        "about": {"samples": samples, "seed": seed, "commit": commit(), **describe_torch()},
        "seconds": time.perf_counter() - start,
    }


@torch.no_grad()
def explained(model: Measurer, mean: Tensor, deviation: Tensor) -> dict[str, float]:
    """R² of every target on fresh pairs."""
    model.eval()
    truth, said = [], []
    for number in range(16):
        inputs, targets, _ = Tissue(64, 20_000 + number).draw()
        truth.append((targets - mean) / deviation)
        said.append(model(inputs)[1])
    wrong = (torch.cat(said) - torch.cat(truth)).pow(2).mean(0) / torch.cat(truth).var(0)
    return {name: round(1.0 - float(w), 3) for name, w in zip(TARGETS, wrong, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=120_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = pretrain(options.samples, options.batch, options.seed, options.workers)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(found, options.out)


if __name__ == "__main__":
    main()
