"""Who gets the steps: a discounted Thompson bandit over operators and models.

An arm is paid when the grid takes its child, NEW or IMPROVED, and charged what its steps cost. Where
a child lands does not change when fitness is shifted or scaled, and one jackpot counts as much as
any other success, so no outlier can flatten the rest. Seconds play no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

# The operator's name and, where it asks one, the model's.
Arm = tuple[str, str | None]

# What a told step counts after k more: DISCOUNT ** k; so about the last hundred decide.
DISCOUNT = 0.99
# What is known of an arm before its first step: as much as so many steps at the mean of all arms.
PRIOR_STEPS = 10.0
# The mean itself, before anything is told.
PRIOR_RATE, PRIOR_WEIGHT = 0.2, 10.0
# Chances go with the declared share times (efficiency / mean efficiency) to this power: 1 would
# follow what pays too slowly to matter in some hundred steps.
SHARPNESS = 2.0
# This part of all steps goes by the declared shares, whatever was found out.
FLOOR = 0.15
# A step of an arm may count as so much cheaper or dearer than a mean call, and no more.
MAX_COST_RATIO = 10.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What an arm starts with. share: of the steps among arms of equal cost.

    cost: of a step, where a mean call of a model is 1; only of operators that ask none.
    """

    share: float
    cost: float


@dataclass(frozen=True, slots=True)
class Account:
    """What an arm did so far, discounted. steps: told; taken: of these, by the grid.

    usd, tokens: of its answers; priced: steps whose dollars are known.
    """

    steps: float = 0.0
    taken: float = 0.0
    usd: float = 0.0
    tokens: float = 0.0
    priced: float = 0.0

    def later(self) -> Account:
        """Give the account one told step later."""
        return Account(
            DISCOUNT * self.steps,
            DISCOUNT * self.taken,
            DISCOUNT * self.usd,
            DISCOUNT * self.tokens,
            DISCOUNT * self.priced,
        )


@dataclass(frozen=True)
class Credit:
    """The accounts of all arms that told a step; a value, so every snapshot has its own."""

    accounts: Mapping[Arm, Account] = field(default_factory=dict)

    def told(self, arm: Arm, *, taken: bool, usd: float | None, tokens: int | None) -> Credit:
        """Count a told step. usd, tokens: of the answers it was made from, None where unknown."""
        accounts = {each: account.later() for each, account in self.accounts.items()}
        before = accounts.get(arm, Account())
        accounts[arm] = Account(
            before.steps + 1,
            before.taken + taken,
            before.usd + (usd or 0.0),
            before.tokens + (tokens or 0),
            before.priced + (usd is not None),
        )
        return Credit(accounts)


def chances(credit: Credit, arms: Mapping[Arm, Terms], rng: np.random.Generator) -> np.ndarray:
    """Give the chance of each arm, (len(arms),), sum 1, one draw of what they may be worth.

    Before anything is told they are about as the declared shares, the cheaper the more.
    """
    shares = np.array([terms.share for terms in arms.values()])
    shares = shares / shares.sum()
    accounts = [credit.accounts.get(arm, Account()) for arm in arms]
    mean = _mean_rate(credit)
    worth = np.array(
        [
            rng.beta(
                PRIOR_STEPS * mean + account.taken,
                PRIOR_STEPS * (1 - mean) + account.steps - account.taken,
            )
            for account in accounts
        ]
    ) / costs(credit, arms)
    weights = shares * (worth / (shares @ worth)) ** SHARPNESS
    return np.asarray(FLOOR * shares + (1 - FLOOR) * weights / weights.sum())


def costs(credit: Credit, arms: Mapping[Arm, Terms]) -> np.ndarray:
    """Give what a step of each arm costs, (len(arms),), where a mean call of a model is 1.

    In dollars where those of every model are known, else in tokens; declared for operators that
    ask no model. Arms of which little is known count as nearly average.
    """
    asking = {arm: credit.accounts.get(arm, Account()) for arm in arms if arm[1] is not None}
    in_usd = all(account.priced >= account.steps for account in asking.values())
    spent = {arm: acc.usd if in_usd else acc.tokens for arm, acc in asking.items()}
    steps = sum(account.steps for account in asking.values())
    mean = sum(spent.values()) / steps if steps else 0.0

    def cost(arm: Arm, terms: Terms) -> float:
        if arm not in asking:
            return terms.cost
        if mean <= 0.0:  # nothing is told, or nothing costs anything
            return 1.0
        known = PRIOR_STEPS + asking[arm].steps
        ratio = (PRIOR_STEPS + spent[arm] / mean) / known
        return float(np.clip(ratio, 1 / MAX_COST_RATIO, MAX_COST_RATIO))

    return np.array([cost(arm, terms) for arm, terms in arms.items()])


def mean_chances(credit: Credit, arms: Mapping[Arm, Terms], draws: int = 400) -> np.ndarray:
    """Give the mean chance of each arm, (len(arms),): what is shown of a bandit."""
    rng = np.random.default_rng(0)
    return np.asarray(np.mean([chances(credit, arms, rng) for _ in range(draws)], axis=0))


def _mean_rate(credit: Credit) -> float:
    """Give the share of steps that the grid took, all arms together."""
    steps = sum(account.steps for account in credit.accounts.values())
    taken = sum(account.taken for account in credit.accounts.values())
    return (PRIOR_WEIGHT * PRIOR_RATE + taken) / (PRIOR_WEIGHT + steps)
