"""NetHack's encoder: the crop against plain slicing, parts, batch axes, what it must not see."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from jaxrl_suite.agents import networks, ppo
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.networks import encoders, nethack

HEIGHT, WIDTH = 21, 79


def observation(seed=0, batch=()):
    rng = np.random.default_rng(seed)
    blstats = rng.integers(0, 60, size=(*batch, 27)).astype(np.int32)
    blstats[..., 0] = rng.integers(WIDTH, size=batch)
    blstats[..., 1] = rng.integers(HEIGHT, size=batch)
    text = np.zeros((*batch, 256), np.uint8)
    text[..., :12] = rng.integers(32, 127, size=(*batch, 12))
    return {
        "glyphs": rng.integers(5976, size=(*batch, HEIGHT, WIDTH)).astype(np.int16),
        "blstats": blstats,
        "message": text,
    }


@pytest.mark.parametrize("size", [9, 16])
def test_crop_is_the_square_around_the_agent(size):
    seen = observation(batch=(40,))
    got = np.asarray(jax.jit(nethack.crop_around, static_argnums=2)(
        seen["glyphs"], seen["blstats"], size))  # fmt: skip
    for i in range(40):
        x, y = seen["blstats"][i, :2]
        for row in range(size):
            for column in range(size):
                v, u = y + row - size // 2, x + column - size // 2
                inside = 0 <= v < HEIGHT and 0 <= u < WIDTH
                want = seen["glyphs"][i, v, u] if inside else nethack.OUTSIDE
                assert got[i, row, column] == want


@pytest.mark.parametrize("options", [
    {}, {"whole_map": True, "message": "conv", "channels": (4, 4)}, {"crop": 0, "message": "none"},
])  # fmt: skip
def test_batch_axes_make_no_difference(options):
    encoder = nethack.NetHackEncoder(widths=(32, 24), embedding=8, **options)
    seen = observation(1, (2, 3))
    params = encoder.init(jax.random.key(0), seen)
    whole = jax.jit(encoder.apply)(params, seen)
    assert whole.shape == (2, 3, 24) and np.isfinite(whole).all()
    for i, j in np.ndindex(2, 3):
        one = encoder.apply(params, jax.tree.map(lambda x, i=i, j=j: x[i, j], seen))
        np.testing.assert_allclose(one, whole[i, j], rtol=2e-4, atol=1e-5)


def test_every_part_matters_and_far_glyphs_do_not():
    encoder = nethack.NetHackEncoder(widths=(32, 24), crop=9, final="linear")
    seen = observation(2)
    seen["blstats"][:2] = (10, 10)
    seen["inv_glyphs"] = np.full(55, nethack.OUTSIDE, np.int16)
    seen["noise"] = np.zeros(3, np.float32)
    params = encoder.init(jax.random.key(0), seen)
    base = encoder.apply(params, seen)

    def changed(key, index, value):
        other = {**seen, key: seen[key].copy()}
        other[key][index] = value
        return float(jnp.abs(encoder.apply(params, other) - base).max())

    assert changed("glyphs", (10, 12), 17) > 1e-6
    assert changed("glyphs", (10, 40), 17) == 0
    assert changed("blstats", 10, 3) > 1e-6
    assert changed("message", 3, 7) > 1e-6
    assert changed("message", 200, 0) == 0  # after the text
    assert changed("inv_glyphs", 0, 2000) > 1e-6
    assert changed("noise", 0, 1.0) > 1e-6


def test_the_hash_tells_messages_apart():
    module = nethack.Message()
    texts = ["You see here a dagger.", "You see here a key.", "The door opens.", ""]
    lines = np.stack([np.frombuffer(t.encode().ljust(256, b"\0"), np.uint8) for t in texts])
    features = module.apply(module.init(jax.random.key(0), lines), lines)
    distance = np.linalg.norm(features[:, None] - features[None], axis=-1)
    assert distance[0, 1] > 0 and distance[0, 1] < distance[0, 2]  # like wording, like features


@pytest.mark.parametrize(("kernel", "same"), [((3, 3), True), ((7,), False), ((3,), True)])
def test_convolution_equals_flax(kernel, same):
    shape = (2, 9, 8, 5) if len(kernel) == 2 else (2, 20, 5)
    x = jax.random.normal(jax.random.key(0), shape)
    ours = nethack.Convolution(4, kernel, same)
    params = ours.init(jax.random.key(1), x)
    dense = params["params"]["Dense_0"]
    # shifts along the last axis vary slowest in our matrix, being concatenated last
    weights = dense["kernel"].reshape(*kernel[::-1], 5, 4)
    weights = jnp.swapaxes(weights, 0, 1) if len(kernel) == 2 else weights
    want = jax.lax.conv_general_dilated(
        x,
        weights,
        (1,) * len(kernel),
        "SAME" if same else "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC") if len(kernel) == 2 else ("NHC", "HIO", "NHC"),
    )
    np.testing.assert_allclose(ours.apply(params, x), want + dense["bias"], rtol=1e-4, atol=1e-5)


def test_what_the_encoder_does_not_read_is_told():
    seen = observation(batch=(2,))
    encoder = nethack.NetHackEncoder(widths=(8,))
    with pytest.raises(ValueError, match="glyphs without blstats"):
        encoder.init(jax.random.key(0), {"glyphs": seen["glyphs"]})
    with pytest.raises(ValueError, match="nothing to read in chars: glyphs, blstats, message"):
        encoder.init(jax.random.key(0), {"chars": seen["glyphs"]})
    parts = {name: spaces.Box(0, 255, x.shape[1:], x.dtype) for name, x in seen.items()}
    noise = {"noise": spaces.Box(0, 1, (3,), jnp.float32)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoders.encoder_for(spaces.Dict.of({**parts, **noise}))
    more = spaces.Dict.of({**parts, "chars": parts["message"], "glyphs_crop": parts["glyphs"]})
    with pytest.warns(UserWarning, match="does not read chars, glyphs_crop"):
        encoders.encoder_for(more)
    chars = {"chars": spaces.Box(0, 255, (HEIGHT, WIDTH), jnp.uint8), "colors": parts["glyphs"]}
    with pytest.raises(
        ConfigError, match=r"env=\['chars', 'colors'\]: no encoder .* glyphs and blstats"
    ):
        networks.encoder(spaces.Dict.of(chars), ppo.PPOConfig())
