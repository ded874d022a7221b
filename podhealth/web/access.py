"""Who may call which route: the one table. A route that is not in it keeps the program from starting.

How a person or token is recognised is web/session.py's business.
"""

from enum import StrEnum
from typing import NamedTuple

from flask import Flask

from podhealth.core.errors import SetupError
from podhealth.core.words import Role


class Door(StrEnum):
    """What a caller without access is told: a page sends to the sign-in, the API and sockets answer plainly.

    ``agent`` routes look at the pod's own token themselves: neither a session nor an API token opens them.
    """

    OPEN = "open"
    PAGE = "page"
    API = "api"
    SOCKET = "socket"
    AGENT = "agent"


class Rule(NamedTuple):
    """Through which door a route is reached, and the least role that may (null on open and agent routes).

    ``is_of_tenant``: it shows or changes what a tenant owns, so a platform admin must look into one first. A route
    for platform admins alone is not there for anybody else (404). ``opens_without_factor``: also for somebody who must
    first set up the second factor that the tenant asks for; nothing else is.
    """

    door: Door
    role: Role | None
    is_of_tenant: bool = True
    opens_without_factor: bool = False


_RANKS = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3, Role.PLATFORM: 4}

_OPEN = Rule(Door.OPEN, None)
_SEE = Rule(Door.PAGE, Role.VIEWER)
_ACT = Rule(Door.PAGE, Role.OPERATOR)
_SET = Rule(Door.PAGE, Role.ADMIN)
_SELF = Rule(Door.PAGE, Role.VIEWER, is_of_tenant=False)
_FIRST = _SELF._replace(opens_without_factor=True)
_OPERATE = Rule(Door.PAGE, Role.PLATFORM, is_of_tenant=False)
_OPERATE_BY_API = _OPERATE._replace(door=Door.API)
_READ = Rule(Door.API, Role.VIEWER)
_WRITE = Rule(Door.API, Role.ADMIN)
_DO = Rule(Door.API, Role.OPERATOR)

RULES: dict[str, Rule] = {
    "assets.own": _OPEN,
    "assets.packaged_file": _OPEN,
    "assets.agent": _OPEN,
    "health.alive": _OPEN,
    "health.ready": _OPEN,
    "metrics.show": _OPEN,  # asks for the operator's own token, or for this very host
    "account.sign_in": _OPEN,
    "account.enter": _OPEN,
    "account.link": _OPEN,
    "account.use_link": _OPEN,
    "joining.invitation": _OPEN,  # the link itself is the key
    "joining.join": _OPEN,
    "joining.forgot": _OPEN,
    "joining.ask": _OPEN,
    "joining.reset": _OPEN,
    "joining.set_password": _OPEN,
    "tokens.list": _SET,
    "tokens.create": _SET,
    "tokens.confirm_end": _SET,
    "tokens.end": _SET,
    "settings.show": _SET,
    "settings.save": _SET,
    "configuration.show": _SET,
    "configuration.export": _SET,
    "configuration.plan": _SET,
    "configuration.apply": _SET,
    "users.list": _SET,
    "users.invite": _SET,
    "users.withdraw": _SET,
    "users.change_role": _SET,
    "users.confirm_remove": _SET,
    "users.remove": _SET,
    "users.restore": _SET,
    "second_factor.code": _OPEN,
    "second_factor.enter_code": _OPEN,
    "second_factor.show": _FIRST,
    "second_factor.begin": _FIRST,
    "second_factor.confirm": _FIRST,
    "second_factor.renew": _SELF,
    "second_factor.switch_off": _SELF,
    "account.sign_out": _FIRST,
    "account.show": _SELF,
    "account.after_password": _SELF,
    "account.set_password": _SELF,
    "account.after_session": _SELF,
    "account.end_one_session": _SELF,
    "account.sign_out_everywhere": _SELF,
    "api_docs.show": _SEE,
    "audit.list": Rule(Door.PAGE, Role.OPERATOR, is_of_tenant=False),  # the installation's own, where none is viewed
    "audit.export": Rule(Door.PAGE, Role.OPERATOR, is_of_tenant=False),
    "audit.verify": Rule(Door.PAGE, Role.ADMIN, is_of_tenant=False),
    "public.show": _OPEN,
    "public.as_json": _OPEN,
    "public.feed": _OPEN,
    "status_page.show": _SET,
    "status_page.save": _SET,
    "wall.show": _SEE,
    "wall.by_link": _OPEN,
    "wall.links": _SET,
    "wall.create_link": _SET,
    "wall.end_link": _SET,
    "styleguide.show": _OPERATE,
    "ops.show": _OPERATE,
    "ops.view_tenant": _OPERATE,
    "ops.leave_tenant": _OPERATE,
    "ops.create_tenant": _OPERATE,
    "ops.stop_healing": _OPERATE,
    "ops.end_stop": _OPERATE,
    "ops.override": _OPERATE,
    "ops.end_override": _OPERATE,
    "pods.home": _SEE,
    "pods.list": _SEE,
    "pods.drift": _SEE,
    "pods.views": _SEE,
    "pods.save_view": _SEE,  # one's own; the tenant's: an admin, asked in the store
    "pods.rename_view": _SEE,
    "pods.delete_view": _SEE,
    "pods.ask_bulk": _ACT,  # tags and deletions: an admin, asked in the page
    "pods.bulk_act": _ACT,
    "pods.show": _SEE,
    "decisions.show": _SEE,
    "decisions.one": _SEE,
    "pods.new": _SET,
    "pods.create": _SET,
    "pods.edit": _SET,
    "pods.save": _SET,
    "pods.confirm_delete": _SET,
    "pods.delete": _SET,
    "pods.agent": _SET,
    "pods.agent_token": _SET,
    "checks.new": _SET,
    "checks.create": _SET,
    "checks.edit": _SET,
    "checks.save": _SET,
    "checks.disable": _SET,
    "checks.enable": _SET,
    "checks.confirm_delete": _SET,
    "checks.delete": _SET,
    "runs.list": _SEE,
    "runs.show": _SEE,
    "runs.run": _ACT,
    "runs.run_all": _ACT,
    "runs.dry_run": _SET,
    "runs.dry_run_edited": _SET,
    "pods.snooze": _ACT,
    "pods.end_snooze": _ACT,
    "pods.ask_heal": _ACT,
    "pods.heal_now": _ACT,
    "pods.reset": _ACT,
    "pods.heal_again": _ACT,
    "policies.list": _SEE,
    "policies.show": _SEE,
    "policies.new": _SET,
    "policies.create": _SET,
    "policies.save": _SET,
    "policies.restore": _SET,
    "policies.confirm_delete": _SET,
    "policies.delete": _SET,
    "policies.unbound": _SEE,
    "policies.preview": _SEE,
    "policies.replay": _SEE,
    "heals.list": _SEE,
    "heals.show": _SEE,
    "heals.export": _SEE,
    "heals.cancel": _ACT,
    "inventory.list": _SEE,
    "inventory.show": _SEE,
    "inventory.new": _SET,
    "inventory.create": _SET,
    "inventory.edit": _SET,
    "inventory.save": _SET,
    "inventory.read_now": _ACT,
    "inventory.switch": _SET,
    "inventory.believe": _SET,
    "inventory.add_again": _SET,
    "inventory.share": Rule(Door.PAGE, Role.PLATFORM),
    "inventory.confirm_delete": _SET,
    "inventory.delete": _SET,
    "nodes.new": _SET,
    "nodes.create": _SET,
    "nodes.edit": _SET,
    "nodes.save": _SET,
    "nodes.confirm_delete": _SET,
    "nodes.delete": _SET,
    "tag_rules.new": _SET,
    "tag_rules.create": _SET,
    "tag_rules.edit": _SET,
    "tag_rules.save": _SET,
    "tag_rules.confirm_delete": _SET,
    "tag_rules.delete": _SET,
    "windows.list": _SEE,
    "windows.show": _SEE,
    "windows.new": _ACT,
    "windows.create": _ACT,
    "windows.save": _ACT,
    "windows.preview": _ACT,
    "windows.confirm_end": _ACT,
    "windows.end": _ACT,
    "windows.extend": _ACT,
    "windows.confirm_delete": _ACT,
    "windows.delete": _ACT,
    "incidents.list": _SEE,
    "incidents.show": _SEE,
    "incidents.ask": _ACT,
    "incidents.acknowledge": _ACT,
    "incidents.unacknowledge": _ACT,
    "incidents.note": _ACT,
    "incidents.tell_visitors": _ACT,
    "incidents.preview": _ACT,
    "brakes.show": _SEE,
    "brakes.switch_off": _ACT,  # of all pods: admin, asked in the store
    "brakes.end_switch": _ACT,
    "brakes.override": _SET,
    "brakes.end_override": _SET,
    "approvals.list": _SEE,
    "approvals.show": _SEE,
    "approvals.approve": _ACT,
    "approvals.reject": _ACT,
    "approvals.link": _OPEN,  # the link itself is the key
    "approvals.use_link": _OPEN,
    "approvals.reject_by_link": _OPEN,
    "channels.list": _SEE,
    "channels.show": _SEE,
    "channels.new": _SET,
    "channels.create": _SET,
    "channels.edit": _SET,
    "channels.save": _SET,
    "channels.confirm_delete": _SET,
    "channels.delete": _SET,
    "channels.secret": _SET,
    "channels.test": _ACT,
    "channels.retry": _ACT,
    "deliveries.list": _SEE,
    "deliveries.send_again": _ACT,
    "api.list_channels": _READ,
    "api.get_channel": _READ,
    "api.create_channel": _WRITE,
    "api.change_channel": _WRITE,
    "api.delete_channel": _WRITE,
    "api.rotate_channel_secret": _WRITE,
    "api.test_channel": _DO,
    "api.list_deliveries": _READ,
    "api.retry_message": _DO,
    "api.list_sources": _READ,
    "api.get_source": _READ,
    "api.create_source": _WRITE,
    "api.change_source": _WRITE,
    "api.delete_source": _WRITE,
    "api.sync_source": _DO,
    "api.believe_source": _WRITE,
    "api.preview_source": _READ,
    "api.list_tag_rules": _READ,
    "api.get_tag_rule": _READ,
    "api.create_tag_rule": _WRITE,
    "api.change_tag_rule": _WRITE,
    "api.delete_tag_rule": _WRITE,
    "api.pod_health": _READ,
    "api.pod_history": _READ,
    "api.health_overview": _READ,
    "api.put_check": _WRITE,
    "api.disable_check": _WRITE,
    "api.list_policies": _READ,
    "api.save_policy": _WRITE,
    "api.heal_history": _READ,
    "api.reset_heals": _DO,
    "api.brakes": _READ,
    "api.switch_off": _DO,
    "api.end_switch": _DO,
    "api.override_breaker": _WRITE,
    "api.end_override_of_breaker": _WRITE,
    "api.policy_effect": _READ,
    "api.replay_policy": _READ,
    "api.list_approvals": _READ,
    "api.approve": _DO,
    "api.reject": _DO,
    "api.list_windows": _READ,
    "api.get_window": _READ,
    "api.create_window": _DO,
    "api.change_window": _DO,
    "api.delete_window": _DO,
    "api.end_window": _DO,
    "api.extend_window": _DO,
    "api.list_incidents": _READ,
    "api.show_incident": _READ,
    "api.acknowledge_incident": _DO,
    "api.unacknowledge_incident": _DO,
    "api.add_note": _DO,
    "api.public_texts": _READ,
    "api.tell_visitors": _DO,
    "api.export_config": _WRITE,  # it tells where channels and providers are
    "api.plan_config": _WRITE,
    "api.apply_config": _WRITE,
    "api.list_nodes": _READ,
    "api.get_node": _READ,
    "api.add_node": _WRITE,
    "api.change_node": _WRITE,
    "api.remove_node": _WRITE,
    "api.list_shared_nodes": _OPERATE_BY_API,
    "api.get_shared_node": _OPERATE_BY_API,
    "api.add_shared_node": _OPERATE_BY_API,
    "api.change_shared_node": _OPERATE_BY_API,
    "api.remove_shared_node": _OPERATE_BY_API,
    "api.pod_agent": _READ,
    "api.rotate_agent_token": _WRITE,
    "api.heartbeat": Rule(Door.AGENT, None),
    "api.openapi": _OPEN,
    "api.list_pods": _READ,
    "api.get_pod": _READ,
    "api.create_pod": _WRITE,
    "api.change_pod": _WRITE,
    "api.delete_pod": _WRITE,
    "api.list_snoozes": _READ,
    "api.snooze_pod": _DO,
    "api.end_snoozes": _DO,
    "api.heal_pod_now": _DO,
    "api.heal_pod_again": _DO,
    "api.list_decisions": _READ,
    "api.get_decision": _READ,
    "api.list_checks": _READ,
    "api.add_check": _WRITE,
    "api.get_check": _READ,
    "api.change_check": _WRITE,
    "api.remove_check": _WRITE,
    "api.list_runs": _READ,
    "api.get_run": _READ,
    "api.run_check": _DO,
    "api.run_dry": _WRITE,
    "api.list_heals": _READ,
    "api.get_heal": _READ,
    "api.cancel_heal": _DO,
    "api.get_policy": _READ,
    "api.change_policy": _WRITE,
    "api.delete_policy": _WRITE,
    "api.list_users": _WRITE,
    "api.change_user": _WRITE,
    "api.list_invitations": _WRITE,
    "api.invite_user": _WRITE,
    "api.withdraw_invitation": _WRITE,
    "api.list_tokens": _WRITE,
    "api.create_token": _WRITE,
    "api.end_token": _WRITE,
    "api.list_audit": _DO,
    "api.export_audit": _DO,
    "sockets.live": Rule(Door.SOCKET, Role.VIEWER),
}


def allows(role: Role, needed: Role) -> bool:
    """Return whether ``role`` may do what asks for ``needed``; each role may do what those below it may."""
    return _RANKS[role] >= _RANKS[needed]


def require_complete(app: Flask) -> None:
    """Refuse to start with a route nobody declared, or a declaration of none (hazards §3.0).

    Raises SetupError that names them.
    """
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    if missing := sorted(endpoints - RULES.keys()):
        raise SetupError(f"web/access.py: no rule for {', '.join(missing)}")
    if strangers := sorted(RULES.keys() - endpoints):
        raise SetupError(f"web/access.py: rules for routes that do not exist: {', '.join(strangers)}")
