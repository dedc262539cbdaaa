"""A simulator of how IAM evaluates an identity's policy, for the parts that this project uses.

An explicit denial wins over whatever allows; what nothing allows is denied
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
"""

import re
from typing import Any

Policy = dict[str, Any]


def allows(policy: Policy, action: str, resource: str, **context: str) -> bool:
    """Whether a role with this policy alone may do `action` on `resource`.

    `context` has the condition keys of the request, with `__` for `:` and `_` for `-`.
    """
    keys = {name.replace("__", ":").replace("_", "-").lower(): v for name, v in context.items()}
    effects = {s["Effect"] for s in policy["Statement"] if _applies(s, action, resource, keys)}
    return effects == {"Allow"}


def _applies(statement: Policy, action: str, resource: str, context: dict[str, str]) -> bool:
    unknown = set(statement) - {"Effect", "Action", "Resource", "Condition", "Sid"}
    assert not unknown, f"the simulator does not know {unknown}"
    return (
        any(_matches(pattern.lower(), action.lower()) for pattern in _list(statement["Action"]))
        and any(_matches(pattern, resource) for pattern in _list(statement["Resource"]))
        and all(
            _holds(operator, context.get(key.lower()), [str(v) for v in _list(values)])
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, value: str | None, expected: list[str]) -> bool:
    """Of a key that the request has not (None), only Null and negated operators may be true."""
    match operator:
        case "Null":
            return str(value is None).lower() in [each.lower() for each in expected]
        case "Bool":
            return value is not None and value.lower() in [each.lower() for each in expected]
        case "StringEquals":
            return value is not None and value in expected
        case "StringNotEquals":
            return value is None or value not in expected
    raise AssertionError(f"the simulator does not know {operator}")


def _matches(pattern: str, text: str) -> bool:
    """`*` stands for any text, also across slashes, `?` for one character."""
    parts = {"*": ".*", "?": "."}
    regex = "".join(parts.get(character) or re.escape(character) for character in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
