"""Bonuses by name, and expressions of them: `e3b`, `e3b*noveld`, `e3b + 0.1*rnd`, `rnd@first_position`.

| name | bonus |
|---|---|
| `e3b` | elliptical episodic bonus (`e3b_bonus`) |
| `rnd`, `noveld`, `icm` | global bonuses from prediction errors |
| `ride`, `impact` | change in learned features, with and without its episodic count |
| `episodic_KEY` | 1 / sqrt(N_e), visits in the episode; KEY is position, message or observation |
| `first_KEY` | 1 at the episode's first visit, else 0 |
| `global_KEY` | 1 / sqrt(N), visits in the whole run |

`*` multiplies, `+` adds, `a@b` pays a where b is positive, numbers are weights.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn

from envs.suggest import hint
from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import (
    combine,
    counts,
    dynamics,
    e3b_bonus,
    global_counts,
    icm,
    keys,
    noveld,
    ride,
    rnd,
    scale,
)
from jaxrl_suite.exploration.bonus import Bonus
from jaxrl_suite.networks.encoders import encoder_for

MakeEncoder = Callable[[tuple[int, ...], str], nn.Module]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the bonuses of an expression are built with.

    Attributes:
      bonus: an expression of bonuses' names (`jaxrl list`), or "none".
      coefficient: beta, weight of the bonus after it is divided by its running deviation.
      normalize: "std" divides the bonus by its running deviation, "none" does not, "release" does
        as the released E3B code.
      features: length of the embeddings of E3B, ICM and RIDE.
      bonus_widths: dense layers before them; none narrower than `features`, or the embeddings span no
        more directions than it has units.
      layer_norm: normalise these embeddings.
      ridge: lambda of E3B's ellipse.
      encoder: of E3B's features: "inverse_dynamics", "random" or "policy".
      lifelong: never restart E3B's ellipse at an episode's end.
      bonus_learning_rate: of the bonuses' own networks (Adam); RND's and NovelD's predictors take a
        tenth of it.
      bonus_epochs: their passes over each rollout.
      bonus_minibatches: parts of a rollout per pass.
      bonus_share: of these minibatches that they look at, at least one. A quarter, as RND's authors
        take, halves a bonus's cost and does as well on clean observations; with noise in them E3B's
        inverse dynamics need all.
      novelty_decay: alpha of NovelD.
      log2_slots: binary logarithm of the size of each environment's table of episodic counts.
    """

    bonus: str = "none"
    coefficient: float = 0.02
    normalize: str = "std"
    features: int = 32
    bonus_widths: tuple[int, ...] = (64,)
    layer_norm: bool = True
    ridge: float = 0.1
    encoder: str = "inverse_dynamics"
    lifelong: bool = False
    bonus_learning_rate: float = 1e-3
    bonus_epochs: int = 1
    bonus_minibatches: int = 4
    bonus_share: float = 1.0
    novelty_decay: float = 0.1
    log2_slots: int = 12


GLOBAL_SLOTS = 18  # binary logarithm: a table of 1 MiB a seed


def build(
    options: Options,
    observation_space: Any,
    action_space: Any,
    policy_widths: tuple[int, ...] = (),
    make_encoder: MakeEncoder | None = None,
) -> Bonus | None:
    """The bonus that `options.bonus` spells, scaled; None for "none".

    Args:
      options: expression and settings.
      observation_space, action_space: of the environment.
      policy_widths: dense layers of the policy's encoder, for `encoder="policy"`: the last has the size
        of its features.
      make_encoder: `(widths, final) -> module`, from observations to features; None takes
        `encoder_for` the space.

    Raises:
      ConfigError: for an expression or an option that cannot be used.
    """
    check(options)
    if options.bonus == "none":
        return None
    if make_encoder is None:
        make_encoder = functools.partial(_encoder, observation_space)
    policy_dim = policy_widths[-1] if policy_widths else None
    parts = _constructors(options, observation_space, action_space, policy_dim, make_encoder)
    bonus = _in_options_terms(options, _evaluate(options.bonus, parts))
    return scale.scaled(bonus, options.coefficient, options.normalize)


def check(options: Options) -> None:
    """Refuses values that no bonus can use, also where the expression has no use for the option.

    Raises:
      ConfigError: naming the option.
    """
    checks.share(options, "bonus_share")
    checks.at_least(options, 1, "features", "bonus_epochs", "bonus_minibatches")
    checks.sizes(options, "bonus_widths")
    checks.above(options, 0.0, "bonus_learning_rate", "ridge")
    checks.at_least(options, 0.0, "novelty_decay")
    checks.finite(options, "coefficient")
    checks.one_of(options, e3b_bonus.ENCODERS, "encoder")
    checks.one_of(options, scale.MODES, "normalize")
    checks.within(options, 0, counts.MOST_LOG2_SLOTS, "log2_slots")


def _in_options_terms(options: Options, bonus: Bonus) -> Bonus:
    """With errors that name the option behind a bonus's own field."""

    def told(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except ConfigError as error:
                option = {"key": "bonus", "minibatches": "bonus_minibatches"}.get(error.field)
                if option is None:
                    raise
                raise ConfigError(option, getattr(options, option), error.expected) from None

        return call

    return dataclasses.replace(bonus, init=told(bonus.init), update=told(bonus.update))


def names() -> list[str]:
    """Every name that an expression may hold."""
    counted = [f"{kind}_{key}" for kind in ("episodic", "first", "global") for key in keys.NAMED]
    return ["e3b", "rnd", "noveld", "icm", "ride", "impact", *counted]


def _encoder(space: Any, widths: tuple[int, ...], final: str = "relu") -> nn.Module:
    return encoder_for(space, widths, final, activation="relu" if final == "relu" else "tanh")


def _constructors(
    options: Options,
    observation_space: Any,
    action_space: Any,
    policy_dim: int | None,
    make_encoder: MakeEncoder,
) -> dict[str, Callable[[], Bonus]]:
    training: dict[str, Any] = {
        "epochs": options.bonus_epochs,
        "minibatches": options.bonus_minibatches,
        "share": options.bonus_share,
    }
    rate = options.bonus_learning_rate
    widths = (*options.bonus_widths, options.features)

    def elliptical() -> Bonus:
        config = e3b_bonus.E3BConfig(
            ridge=options.ridge,
            encoder=options.encoder,
            episodic=not options.lifelong,
            layer_norm=options.layer_norm,
            learning_rate=rate,
            **training,
        )
        body = make_encoder(widths, "linear")
        return e3b_bonus.make(config, observation_space, action_space, body, policy_dim)

    def prediction() -> tuple[nn.Module, nn.Module]:
        return make_encoder((64,), "relu"), make_encoder((128, 128), "relu")

    model = dynamics.DynamicsConfig(
        widths=widths, layer_norm=options.layer_norm, learning_rate=rate, **training
    )

    def episodic(key: str, form: str) -> Bonus:
        return counts.make(counts.CountConfig(key, form, options.log2_slots))

    table: dict[str, Callable[[], Bonus]] = {
        "e3b": elliptical,
        "rnd": lambda: rnd.make(
            rnd.RNDConfig(learning_rate=rate / 10, **training), observation_space, prediction()
        ),
        "noveld": lambda: noveld.make(
            noveld.NovelDConfig(learning_rate=rate / 10, alpha=options.novelty_decay, **training),
            observation_space,
            prediction(),
        ),
        "icm": lambda: icm.make(
            model, observation_space, action_space, make_encoder(widths, "linear")
        ),
        "impact": lambda: ride.impact(
            model, observation_space, action_space, make_encoder(widths, "linear")
        ),
        "ride": lambda: ride.make(
            model,
            counts.CountConfig(log2_slots=options.log2_slots),
            observation_space,
            action_space,
            make_encoder(widths, "linear"),
        ),
    }
    for key in keys.NAMED:
        table[f"episodic_{key}"] = lambda key=key: episodic(key, "inverse_sqrt")  # type: ignore
        table[f"first_{key}"] = lambda key=key: episodic(key, "indicator")  # type: ignore
        table[f"global_{key}"] = lambda key=key: global_counts.make(  # type: ignore
            counts.CountConfig(key, "inverse_sqrt", GLOBAL_SLOTS)
        )
    return table


def _evaluate(expression: str, table: dict[str, Callable[[], Bonus]]) -> Bonus:
    """Walks the expression, which is Python's grammar of `* + @`, numbers and names."""

    def refuse(what: str) -> ConfigError:
        return ConfigError("bonus", expression, what)

    def walk(node: ast.AST) -> Bonus | float:
        match node:
            case ast.Name(id=name):
                if name not in table:
                    raise refuse(f"there is no bonus {name!r}: {hint(name, [*table, 'none'])}")
                return table[name]()
            case ast.Constant(value=None):
                raise refuse("without a bonus it is 'none'")
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.BinOp(left=left, op=operator, right=right):
                return join(walk(left), operator, walk(right))
        raise refuse("write names, numbers, '*', '+', '@' and parentheses only")

    def join(left: Bonus | float, operator: ast.operator, right: Bonus | float) -> Bonus | float:
        match left, operator, right:
            case float(), ast.Mult(), float():
                return left * right
            case (float() as weight, ast.Mult(), Bonus() as bonus) | (
                Bonus() as bonus,
                ast.Mult(),
                float() as weight,
            ):
                return combine.times(weight, bonus)
            case Bonus(), ast.Mult(), Bonus():
                return combine.product(left, right)
            case Bonus(), ast.Add(), Bonus():
                return combine.total(left, right)
            case Bonus(), ast.MatMult(), Bonus():
                return combine.gated(left, right)
        raise refuse("bonuses are multiplied, added, or gated ('a@b'); numbers are weights of them")

    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        raise refuse("not an expression; write for example 'e3b*noveld'") from None
    bonus = walk(tree.body)
    if not isinstance(bonus, Bonus):
        raise refuse("a number alone is not a bonus")
    return bonus
