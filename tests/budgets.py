"""moto's AWS Budgets with the calls that it lacks, on a server of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget
from moto.budgets.responses import BudgetsResponse
from moto.core.responses import BaseResponse
from moto.server import ThreadedMotoServer
from ports import free_ports


class Denied:
    """Calls that AWS refuses, as it refuses them to a user without the permission."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.seen: list[str] = []


@contextmanager
def budgets_server() -> Iterator[tuple[str, Denied]]:
    """Run the server; yields its URL, for AWS_ENDPOINT_URL_BUDGETS, and what to refuse."""
    denied = Denied()
    call_action = BaseResponse.call_action

    def checked(self: BaseResponse) -> Any:
        if isinstance(self, BudgetsResponse):
            action = self._get_action()
            denied.seen.append(action)
            if action in denied.calls:
                return 400, {"status": 400}, _refusal(action)
        return call_action(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BudgetsResponse, "update_budget", _update_budget, raising=False)
        name = "describe_subscribers_for_notification"
        patch.setattr(BudgetsResponse, name, _describe_subscribers, raising=False)
        patch.setattr(BaseResponse, "call_action", checked)
        (port,) = free_ports(1)
        server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        server.start()
        try:
            yield f"http://127.0.0.1:{port}", denied
        finally:
            server.stop()


def _refusal(action: str) -> str:
    message = (
        "User: arn:aws:iam::123456789012:user/fruits-operator is not authorized to perform: "
        f"budgets:{'View' if action.startswith('Describe') else 'Modify'}Budget"
    )
    return json.dumps({"__type": "AccessDeniedException", "Message": message})


def _budget(response: BudgetsResponse, name: str) -> Budget:
    try:
        return response.backend.budgets[response._get_param("AccountId")][name]
    except KeyError:
        raise NotFoundException("the budget doesn't exist.") from None


def _update_budget(self: BudgetsResponse) -> str:
    """All but the spending and the alarms is replaced; moto makes a new period if there is none."""
    new = self._get_param("NewBudget")
    budget = _budget(self, new["BudgetName"])
    budget.budget = Budget(new, []).budget
    return json.dumps({})


def _describe_subscribers(self: BudgetsResponse) -> str:
    budget = _budget(self, self._get_param("BudgetName"))
    wanted = self._get_param("Notification")
    found = [n.subscribers for n in budget.notifications if n.details == wanted]
    return json.dumps({"Subscribers": found[0], "NextToken": None})
