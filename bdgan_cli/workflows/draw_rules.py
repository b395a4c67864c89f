"""How samples are drawn: what the user asked for, completed by what the generator does by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from bdgan_cli.errors import UsageError
from bdgan_cli.generators.latents import check_code_sampling, check_truncation
from bdgan_cli.interfaces import CodeSampling, DrawRule, Truncation

T = TypeVar("T")


@dataclass(frozen=True)
class DrawOptions:
    """What was asked for; None leaves the generator's own.

    Attributes:
        trunc: How far from the mode latents are drawn; the paper uses 0.9.
        trunc_mode: ``scale`` or ``threshold``.
        temperature: Divides the logits of codes.
        top_k: Codes that may be drawn; 0 for all.
        top_p: Share of the probability that may be drawn.
    """

    trunc: float | None = None
    trunc_mode: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None


ASK_NOTHING = DrawOptions()


def complete(options: DrawOptions, default: DrawRule, generator: str) -> DrawRule:
    """Turn options into the rule that a generator follows.

    Args:
        options: What was asked for.
        default: The generator's own rule; its type tells which options it understands.
        generator: The generator's name, for messages.

    Raises:
        UsageError: If an option is of the other kind, or out of range.
    """
    for_latents = {"--trunc": options.trunc, "--trunc-mode": options.trunc_mode}
    for_codes = {"--temperature": options.temperature, "--top-k": options.top_k, "--top-p": options.top_p}
    foreign = for_latents if isinstance(default, CodeSampling) else for_codes
    own = for_codes if isinstance(default, CodeSampling) else for_latents
    given = [name for name, value in foreign.items() if value is not None]
    if given:
        draws = "codes" if isinstance(default, CodeSampling) else "latents"
        raise UsageError(f"{given[0]}: {generator} draws {draws}, which it does not apply to", f"use {', '.join(own)}")
    if isinstance(default, CodeSampling):
        return check_code_sampling(
            CodeSampling(
                _or(options.temperature, default.temperature), _or(options.top_k, default.top_k),
                _or(options.top_p, default.top_p),
            )
        )  # fmt: skip
    return check_truncation(Truncation(_or(options.trunc, default.value), options.trunc_mode or default.mode))


def rule_to_json(rule: DrawRule) -> dict[str, float | int | str]:
    """Return a rule as the plan of a dataset records it."""
    if isinstance(rule, CodeSampling):
        return {"temperature": rule.temperature, "top_k": rule.top_k, "top_p": rule.top_p}
    return {"truncation": rule.value, "truncation_mode": rule.mode}


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
