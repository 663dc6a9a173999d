"""external_action.stripe: customers, payments and invoices of Stripe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from workflow_engine.nodes.action.http.pages import Cursors
from workflow_engine.nodes.external_action.service import (
    Account,
    CallApi,
    Field,
    Http,
    Listing,
    Operation,
    Service,
    get,
    kind,
    post,
    slot,
)
from workflow_engine.nodes.external_action.service import delete as remove
from workflow_engine.nodes.spec import Json, Parameters

_PAGES: dict[str, Any] = {
    "records": "data",
    "pages": Cursors(mode="cursor", parameter="starting_after", path="has_more && data[-1].id"),
    "page_size": ("limit", 100),
}
Metadata = dict[str, str]


def write(path: str) -> Http:
    """A POST that Stripe does once, however often it comes with the same key within a day."""
    return post(path, form=True, key_header="Idempotency-Key")


@kind
class StripeKey(Account):
    """A secret or restricted key of a Stripe account."""

    type = "stripe"
    title = "Stripe key"
    probed = ("external_action.stripe", {"operation": "balance.get"})


class CustomerFields(Operation):
    email: str | None = None
    """E-mail address."""
    name: str | None = None
    """Name."""
    phone: str | None = None
    """Telephone number."""
    description: str | None = None
    """For your own people."""
    metadata: Metadata | None = None
    """Your own values."""


class CreateCustomer(CustomerFields):
    """Makes a customer."""

    operation: Literal["customer.create"]
    http = write("/customers")


class UpdateCustomer(CustomerFields):
    """Changes a customer."""

    operation: Literal["customer.update"]
    customer: str
    """The customer, `cus_...`."""
    http = write("/customers/{customer}")


class GetCustomer(Operation):
    """One customer."""

    operation: Literal["customer.get"]
    customer: str
    """The customer, `cus_...`."""
    http = get("/customers/{customer}")


class ListCustomers(Listing):
    """Customers, newest first."""

    operation: Literal["customer.list"]
    email: str | None = None
    """Only with this address."""
    http = get("/customers", **_PAGES)


class CreatePaymentIntent(Operation):
    """Begins a payment."""

    operation: Literal["payment_intent.create"]
    amount: int = Field(ge=1)
    """In the smallest unit of the currency, e.g. cents."""
    currency: str = Field(min_length=3, max_length=3)
    """Three letters, e.g. `eur`."""
    customer: str | None = None
    """Who pays."""
    payment_method: str | None = None
    """With what, `pm_...`."""
    confirm: bool | None = None
    """Try it at once."""
    off_session: bool | None = None
    """The customer is not there."""
    description: str | None = None
    """For your own people."""
    receipt_email: str | None = None
    """Where the receipt goes."""
    metadata: Metadata | None = None
    """Your own values."""
    http = write("/payment_intents")


class GetPaymentIntent(Operation):
    """One payment."""

    operation: Literal["payment_intent.get"]
    payment_intent: str
    """The payment, `pi_...`."""
    http = get("/payment_intents/{payment_intent}")


class ListPaymentIntents(Listing):
    """Payments, newest first."""

    operation: Literal["payment_intent.list"]
    customer: str | None = None
    """Only of this customer."""
    http = get("/payment_intents", **_PAGES)


class CreateRefund(Operation):
    """Gives money back."""

    operation: Literal["refund.create"]
    payment_intent: str
    """The payment, `pi_...`."""
    amount: int | None = Field(default=None, ge=1)
    """In the smallest unit of the currency; everything when absent."""
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    """Why."""
    metadata: Metadata | None = None
    """Your own values."""
    http = write("/refunds")


class CreateInvoice(Operation):
    """Makes a draft of an invoice of the customer's pending items."""

    operation: Literal["invoice.create"]
    customer: str
    """The customer, `cus_...`."""
    collection_method: Literal["charge_automatically", "send_invoice"] | None = None
    """How it is paid."""
    days_until_due: int | None = None
    """For invoices that are sent."""
    auto_advance: bool | None = None
    """Let Stripe finalise it by itself."""
    metadata: Metadata | None = None
    """Your own values."""
    http = write("/invoices")


class CreateInvoiceItem(Operation):
    """Adds a line to the customer's next invoice."""

    operation: Literal["invoice_item.create"]
    customer: str
    """The customer, `cus_...`."""
    amount: int | None = None
    """In the smallest unit of the currency."""
    currency: str | None = None
    """Three letters."""
    description: str | None = None
    """What the line says."""
    invoice: str | None = None
    """On this draft."""
    http = write("/invoiceitems")


class FinalizeInvoice(Operation):
    """Makes a draft an invoice that can be paid."""

    operation: Literal["invoice.finalize"]
    invoice: str
    """The invoice, `in_...`."""
    http = write("/invoices/{invoice}/finalize")


class CreateSession(Operation):
    """Makes a page on which a customer pays; its address is under `url`."""

    operation: Literal["checkout_session.create"]
    mode: Literal["payment", "subscription", "setup"] = "payment"
    """What for."""
    success_url: str
    """Where the customer comes back to."""
    cancel_url: str | None = None
    """Where to when they change their mind."""
    line_items: list[dict[str, Json]] | None = None
    """What is bought, as `{"price": "price_...", "quantity": 1}`."""
    customer: str | None = None
    """Who pays."""
    client_reference_id: str | None = None
    """Your own id."""
    http = write("/checkout/sessions")


class CreateSubscription(Operation):
    """Subscribes a customer."""

    operation: Literal["subscription.create"]
    customer: str
    """The customer, `cus_...`."""
    subscribed: list[dict[str, Json]] = Field(alias="items", min_length=1)
    """To what, as `{"price": "price_..."}`."""
    trial_period_days: int | None = None
    """Days that cost nothing."""
    metadata: Metadata | None = None
    """Your own values."""
    http = write("/subscriptions")


class CancelSubscription(Operation):
    """Ends a subscription now."""

    operation: Literal["subscription.cancel"]
    subscription: str
    """The subscription, `sub_...`."""
    http = remove("/subscriptions/{subscription}")


class ListProducts(Listing):
    """Products."""

    operation: Literal["product.list"]
    active: bool | None = None
    """Only those that are for sale, or only the others."""
    http = get("/products", **_PAGES)


class GetBalance(Operation):
    """What the account has."""

    operation: Literal["balance.get"]
    http = get("/balance")


class StripeParameters(Parameters):
    """What to do."""

    action: Annotated[
        CreateCustomer
        | UpdateCustomer
        | GetCustomer
        | ListCustomers
        | CreatePaymentIntent
        | GetPaymentIntent
        | ListPaymentIntents
        | CreateRefund
        | CreateInvoice
        | CreateInvoiceItem
        | FinalizeInvoice
        | CreateSession
        | CreateSubscription
        | CancelSubscription
        | ListProducts
        | GetBalance
        | CallApi,
        Field(discriminator="operation"),
    ]
    """The operation and what it takes."""


class Stripe(Service[StripeParameters]):
    """Works with customers, payments, invoices and subscriptions.

    Everything that is written carries an idempotency key of its run, so a retry or a crash charges nobody twice; Stripe
    keeps the key for a day.
    """

    type = "external_action.stripe"
    summary = "Customers, payments and invoices of Stripe."
    base_url = "https://api.stripe.com/v1"
    documentation_url = "https://docs.stripe.com/api"
    credentials = slot("stripe")
    example = {"action": {"operation": "customer.create", "email": "{{ json.email }}", "name": "{{ json.name }}"}}
