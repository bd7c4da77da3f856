# mypy: ignore-errors
"""A portal for mitigation rules as others build it, for a comparison: Flask, SQLAlchemy, WTForms.

One call does what CESNET's ExaFS does for a new rule, in the same number of steps: the token's
person, the person's networks, the permitted actions, a form, a look for an equal rule, the rule,
its line in the log, and a message to the process that announces it. `tests.bench.post` starts it
with packages that only this needs:

    uv run --no-project --with-requirements tests/bench/flask_peer.txt \
        gunicorn tests.bench.flask_peer:app

Environment: PEER_DATABASE, PEER_REDIS.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from datetime import UTC, datetime, timedelta
from functools import wraps

import redis
from flask import Flask, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from wtforms import Form, IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, Length, NumberRange, Optional, ValidationError

TOKEN = "token-of-the-bench"

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["PEER_DATABASE"]
db = SQLAlchemy(app)
queue = redis.Redis.from_url(os.environ["PEER_REDIS"])

membership = db.Table(
    "peer_membership",
    db.Column("person_id", db.ForeignKey("peer_person.id"), primary_key=True),
    db.Column("organization_id", db.ForeignKey("peer_organization.id"), primary_key=True),
)


class Organization(db.Model):
    __tablename__ = "peer_organization"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100))
    networks = db.Column(db.Text)


class Person(db.Model):
    __tablename__ = "peer_person"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100))
    organizations = db.relationship(Organization, secondary=membership)


class Token(db.Model):
    __tablename__ = "peer_token"
    digest = db.Column(db.String(64), primary_key=True)
    person_id = db.Column(db.ForeignKey("peer_person.id"))
    person = db.relationship(Person)


class Action(db.Model):
    __tablename__ = "peer_action"
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100))


class Rule(db.Model):
    __tablename__ = "peer_rule"
    id = db.Column(db.Integer, primary_key=True)
    prefix = db.Column(db.String(50), index=True)
    protocol = db.Column(db.String(10))
    port = db.Column(db.String(50))
    comment = db.Column(db.Text)
    state = db.Column(db.String(20))
    expires_at = db.Column(db.DateTime(timezone=True))
    created_at = db.Column(db.DateTime(timezone=True))
    action_id = db.Column(db.ForeignKey("peer_action.id"))
    action = db.relationship(Action)
    person_id = db.Column(db.ForeignKey("peer_person.id"))
    person = db.relationship(Person)

    def as_json(self):
        return {
            "id": self.id,
            "prefix": self.prefix,
            "protocol": self.protocol,
            "port": self.port,
            "comment": self.comment,
            "state": self.state,
            "expires_at": self.expires_at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "action": self.action.name,
            "person": self.person.name,
        }


class Line(db.Model):
    __tablename__ = "peer_line"
    id = db.Column(db.Integer, primary_key=True)
    at = db.Column(db.DateTime(timezone=True))
    what = db.Column(db.String(1000))
    rule_id = db.Column(db.Integer)
    person_id = db.Column(db.Integer)


class RuleForm(Form):
    prefix = StringField(validators=[DataRequired(), Length(max=50)])
    protocol = SelectField(choices=["all", "tcp", "udp", "icmp"], default="all")
    port = StringField(validators=[Optional(), Length(max=50)])
    action = SelectField(coerce=int, validators=[DataRequired()])
    lifetime = IntegerField(validators=[DataRequired(), NumberRange(30, 86400)])
    comment = StringField(validators=[Optional(), Length(max=2000)])

    networks = ()

    def validate_prefix(self, field):
        try:
            prefix = ipaddress.ip_network(field.data)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        same = (one for one in self.networks if one.version == prefix.version)
        if not any(prefix.subnet_of(one) for one in same):
            raise ValidationError("This is not yours.")


def with_token(view):
    @wraps(view)
    def checked():
        plain = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = db.session.get(Token, hashlib.sha256(plain.encode()).hexdigest())
        if token is None:
            return jsonify({"message": "The token is unknown."}), 401
        return view(token.person)

    return checked


@app.get("/health")
def health():
    return jsonify({})


@app.post("/rules")
@with_token
def create(person):
    form = RuleForm(data=request.get_json())
    form.networks = [
        ipaddress.ip_network(one) for own in person.organizations for one in own.networks.split()
    ]
    actions = db.session.query(Action).order_by(Action.name)
    form.action.choices = [(one.id, one.name) for one in actions]
    if not form.validate():
        return jsonify({"message": "The rule is invalid.", "errors": form.errors}), 400
    now = datetime.now(UTC)
    expires_at = now + timedelta(seconds=form.lifetime.data)
    equal = db.session.query(Rule).filter_by(
        prefix=form.prefix.data, protocol=form.protocol.data, port=form.port.data, state="active"
    )
    rule = equal.first()
    if rule is None:
        rule = Rule(
            prefix=form.prefix.data,
            protocol=form.protocol.data,
            port=form.port.data,
            comment=form.comment.data,
            state="active",
            created_at=now,
            action_id=form.action.data,
            person_id=person.id,
        )
        db.session.add(rule)
    rule.expires_at = expires_at
    db.session.commit()
    queue.publish("announcements", json.dumps({"announce": rule.prefix, "action": rule.action_id}))
    db.session.add(
        Line(
            at=now,
            what=f"{person.name} announces {rule.prefix}",
            rule_id=rule.id,
            person_id=person.id,
        )
    )
    db.session.commit()
    return jsonify({"message": "The rule is saved.", "rule": rule.as_json()}), 201


def set_up():
    with app.app_context():
        db.create_all()
        if db.session.get(Action, 1) is not None:
            return
        own = Organization(name="Org", networks="2001:db8::/32 203.0.113.0/24")
        person = Person(name="person", organizations=[own])
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        db.session.add_all([Token(digest=digest, person=person), Action(id=1, name="Scrub")])
        db.session.commit()


set_up()
