"""Who people grant access at: what a provider of OAuth 2.0 needs, so that nobody has to look it up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

ClientAuth: TypeAlias = Literal["client_secret_basic", "client_secret_post", "none"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A preset; what a credential says itself wins over it."""

    authorization_url: str
    token_url: str
    scopes: tuple[str, ...] = ()
    """What to ask for unless the credential or the request says."""
    client_auth: ClientAuth = "client_secret_post"
    """How the client proves who it is at the token endpoint."""
    extra: dict[str, str] = field(default_factory=dict[str, str])
    """More parameters of the authorization URL, such as what makes the provider give a refresh token."""
    scope_separator: str = " "
    sends_json: bool = False
    """Its token endpoint wants JSON, not a form."""
    tried_by: tuple[str, str] = ("", "")
    """A node type for it, and an operation that shows whether a token is let in and changes nothing."""


PROVIDERS: dict[str, Provider] = {
    "google": Provider(
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        (
            "https://www.googleapis.com/auth/calendar",
            "https://www.googleapis.com/auth/drive",
            "https://www.googleapis.com/auth/gmail.modify",
            "https://www.googleapis.com/auth/spreadsheets",
        ),
        extra={"access_type": "offline", "prompt": "consent"},
        tried_by=("external_action.google_calendar", "calendar.list"),
    ),
    "microsoft": Provider(
        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        (
            "offline_access",
            "Calendars.ReadWrite",
            "Channel.ReadBasic.All",
            "ChannelMessage.Send",
            "Chat.ReadWrite",
            "Files.ReadWrite.All",
            "Mail.ReadWrite",
            "Mail.Send",
            "Sites.Read.All",
            "Team.ReadBasic.All",
        ),
        tried_by=("external_action.microsoft_teams", "user.me"),
    ),
    "github": Provider(
        "https://github.com/login/oauth/authorize",
        "https://github.com/login/oauth/access_token",
        ("repo",),
        tried_by=("external_action.github", "user.me"),
    ),
    "gitlab": Provider(
        "https://gitlab.com/oauth/authorize",
        "https://gitlab.com/oauth/token",
        ("api",),
        tried_by=("external_action.gitlab", "user.me"),
    ),
    "slack": Provider(
        "https://slack.com/oauth/v2/authorize",
        "https://slack.com/api/oauth.v2.access",
        ("chat:write", "channels:read", "channels:history", "users:read", "reactions:write", "files:write"),
        scope_separator=",",
        tried_by=("external_action.slack", "account.get"),
    ),
    "discord": Provider(
        "https://discord.com/oauth2/authorize",
        "https://discord.com/api/oauth2/token",
        ("identify", "guilds"),
        client_auth="client_secret_basic",
        tried_by=("external_action.discord", "user.me"),
    ),
    "notion": Provider(
        "https://api.notion.com/v1/oauth/authorize",
        "https://api.notion.com/v1/oauth/token",
        client_auth="client_secret_basic",
        extra={"owner": "user"},
        sends_json=True,
        tried_by=("external_action.notion", "user.me"),
    ),
    "atlassian": Provider(
        "https://auth.atlassian.com/authorize",
        "https://auth.atlassian.com/oauth/token",
        ("offline_access", "read:jira-work", "write:jira-work", "read:jira-user"),
        extra={"audience": "api.atlassian.com", "prompt": "consent"},
        sends_json=True,
    ),
    "linear": Provider(
        "https://linear.app/oauth/authorize",
        "https://api.linear.app/oauth/token",
        ("read", "write"),
        scope_separator=",",
        tried_by=("external_action.linear", "user.me"),
    ),
    "airtable": Provider(
        "https://airtable.com/oauth2/v1/authorize",
        "https://airtable.com/oauth2/v1/token",
        ("data.records:read", "data.records:write", "schema.bases:read"),
        client_auth="client_secret_basic",
        tried_by=("external_action.airtable", "user.me"),
    ),
    "hubspot": Provider(
        "https://app.hubspot.com/oauth/authorize",
        "https://api.hubapi.com/oauth/v1/token",
        (
            "oauth",
            "crm.objects.companies.read",
            "crm.objects.companies.write",
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "crm.objects.deals.read",
            "crm.objects.deals.write",
            "crm.objects.owners.read",
        ),
        tried_by=("external_action.hubspot", "account.get"),
    ),
}

ProviderName: TypeAlias = Literal[
    "",
    "google",
    "microsoft",
    "github",
    "gitlab",
    "slack",
    "discord",
    "notion",
    "atlassian",
    "linear",
    "airtable",
    "hubspot",
]
