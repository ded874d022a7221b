"""``create_app``: puts the web process together. Nothing below knows it."""

import secrets
from typing import Any

import jinja2
from flask import Flask, g
from flask_migrate import Migrate
from flask_security.core import RoleMixin, Security
from flask_security.datastore import SQLAlchemyUserDatastore
from werkzeug.middleware.proxy_fix import ProxyFix

from podhealth import logs
from podhealth.core.words import Role
from podhealth.live.render import FILTERS, TEMPLATES, fragment
from podhealth.models import User, db
from podhealth.queues import HURRY_TIMEOUT_S, redis_client
from podhealth.settings import Settings
from podhealth.store.alarms import hold_alarms
from podhealth.store.db import engine_options, normalise_url, prepare_engine
from podhealth.store.kept import hold_kept
from podhealth.store.limits import hold_limits
from podhealth.store.secrets import hold_key
from podhealth.web import access, compression, errors, guard, headers, installed, measuring, rates, session, sockets
from podhealth.web.agents.intake import Intake
from podhealth.web.api import api, document
from podhealth.web.ids import IdConverter
from podhealth.web.lengths import MAX_BODY
from podhealth.web.metrics import Everything
from podhealth.web.navigation import address, navigation
from podhealth.web.pages import (
    account,
    api_docs,
    approvals,
    assets,
    audit,
    brakes,
    channels,
    checks,
    configuration,
    decisions,
    deliveries,
    heals,
    health,
    incidents,
    inventory,
    joining,
    metrics,
    nodes,
    ops,
    pods,
    policies,
    public,
    runs,
    second_factor,
    status_page,
    styleguide,
    tag_rules,
    tokens,
    users,
    wall,
    windows,
)
from podhealth.web.pages import incident_public as incident_public  # attaches what visitors are told to ``incidents``
from podhealth.web.pages import ops_acts as ops_acts  # and what is done on the operator's page
from podhealth.web.pages import pod as pod  # attaches the routes of one pod to ``pods.pages``
from podhealth.web.pages import pod_agent as pod_agent  # and those of its agent
from podhealth.web.pages import pod_bulk as pod_bulk  # and those of many at once
from podhealth.web.pages import pod_edit as pod_edit  # and those that add, edit and delete one
from podhealth.web.pages import policy_form as policy_form  # the form of one policy, on ``policies.pages``
from podhealth.web.pages import saved_views as saved_views  # the list's views under names, on ``pods.pages``
from podhealth.web.pages import (
    settings as settings_page,
)
from podhealth.web.tries import FailedTries, counters_at

_SPARE_CONNECTIONS = 5  # the hub, the beats, and what a request opens beside its first


def create_app(settings: Settings) -> Flask:
    """Return the web application for these settings.

    Raises SetupError where a route has no line in web/access.py: it would be open to nobody knows whom.
    """
    logs.set_up(settings, "web")
    hold_key(settings.secret_key)
    hold_limits(settings.limits)
    hold_alarms(settings.alarms)
    hold_kept(settings.kept)
    app = Flask("podhealth", static_folder=None, template_folder=str(TEMPLATES))
    app.config["DEBUG"] = False  # Flask would listen to FLASK_DEBUG
    app.config.update(SECRET_KEY=settings.secret_key, MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_PARTS=200)
    if settings.trusted_proxies:  # else anybody could write an address of their choice into the header
        app.wsgi_app = ProxyFix(app.wsgi_app, settings.trusted_proxies, 0, 0)  # type: ignore[method-assign]
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False
    _install_database(app, settings)
    _install_templates(app)
    measuring.install(app)
    compression.install(app)
    errors.install(app)
    headers.install(app, settings)
    guard.install(app)
    rates.install(app, settings)
    session.install(app)
    _install_security(app)
    for noun in (
        account,
        api_docs,
        approvals,
        assets,
        audit,
        brakes,
        channels,
        configuration,
        deliveries,
        health,
        pods,
        checks,
        decisions,
        policies,
        heals,
        incidents,
        inventory,
        joining,
        metrics,
        nodes,
        ops,
        public,
        runs,
        second_factor,
        settings_page,
        status_page,
        styleguide,
        tag_rules,
        tokens,
        users,
        wall,
        windows,
    ):
        app.register_blueprint(noun.pages)
    app.register_blueprint(api)
    sockets.install(app)
    measuring.install_live(app)
    measuring.registry_of(app).register(Everything(installed.installed(app)))
    access.require_complete(app)
    document.require_declared(app)
    return app


def _install_database(app: Flask, settings: Settings) -> None:
    url = normalise_url(settings.database_url)
    options: dict[str, Any] = engine_options(url)
    options |= {"pool_size": settings.web_threads + _SPARE_CONNECTIONS, "pool_timeout": 10}
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=options)
    db.init_app(app)
    Migrate(app, db)
    with app.app_context():
        engine = db.engine
    prepare_engine(engine)
    app.extensions[installed.KEY] = installed.Installed(
        engine, redis_client(settings, HURRY_TIMEOUT_S), settings, Intake(engine, settings.heartbeats_a_minute)
    )
    counters = counters_at(settings.redis_url)
    app.extensions["failed_tries"] = FailedTries(counters)
    app.extensions["code_tries"] = FailedTries(counters, "second factor")
    app.extensions["reset_tries"] = FailedTries(counters, "new password")
    app.extensions["link_tries"] = FailedTries(counters, "approval link")


def _install_templates(app: Flask) -> None:
    app.jinja_options = {"undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(
        fragment=fragment, asset=assets.asset, packaged=assets.packaged, op=lambda: secrets.token_urlsafe(12)
    )
    app.context_processor(_of_the_viewer)


def _of_the_viewer() -> dict[str, Any]:
    scope = g.get("scope")
    return {
        "person": g.get("person"),
        "navigation": navigation,
        "address": address,
        "may": lambda role: scope is not None and access.allows(scope.role, Role(role)),
    }


def _install_security(app: Flask) -> None:
    # Flask-Security hashes and checks passwords; its routes, sessions and role checks are not used: ours are in
    # web/pages/account.py, web/session.py and web/access.py.
    app.config.update(
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106 - the name of an algorithm
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_PASSWORD_SINGLE_HASH=True,
        SECURITY_USE_REGISTER_V2=True,
        SECURITY_CACHE_CONTROL=None,
        SECURITY_CSRF_PROTECT_MECHANISMS=[],
    )
    # Our User is none of its kind: a worker that reads the table should not load its forms (12 MB).
    store = SQLAlchemyUserDatastore(db, User, RoleMixin)  # type: ignore[arg-type]
    security = Security(app, store, register_blueprint=False)
    security.principal.identity_loaders.clear()  # else each request, a stylesheet's too, is asked whose it is
    # Who calls is web/session.py's answer alone: another question to the database would fail in the very page that
    # says the database is away.
    app.login_manager.user_loader(lambda _: None)  # type: ignore[attr-defined]
