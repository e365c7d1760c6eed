"""Why a sign-in through an identity provider is refused: the cause, and what to do about it."""

from http import HTTPStatus

from core.errors import Refusal


class SignInRefused(Refusal):
    """The identity provider did not sign you in. Try again."""

    code = "identity_refused"
    http_status = HTTPStatus.UNAUTHORIZED


class SignInStale(SignInRefused):
    """This sign-in was already used, took over 10 minutes, or began in another browser. Begin again."""


class ProviderDown(SignInRefused):
    """The identity provider does not answer. Try again in a minute."""

    code = "identity_provider_down"
    http_status = HTTPStatus.BAD_GATEWAY


class ProviderMisconfigured(SignInRefused):
    """The identity provider's answer is not what its settings promise. Tell an administrator."""

    code = "identity_provider_misconfigured"
    http_status = HTTPStatus.BAD_GATEWAY


class BadIdToken(SignInRefused):
    """The identity provider's ID token is not valid. Tell an administrator."""


class ClocksDiffer(BadIdToken):
    """The clocks of this server and of the identity provider differ. Tell an administrator to set them."""


class EmailMissing(SignInRefused):
    """The identity provider sends no e-mail address. An administrator of it must add the claim "email"."""

    code = "identity_email_missing"


class EmailNotVerified(SignInRefused):
    """The identity provider does not say that your e-mail address is verified. Verify it there.

    For Microsoft Entra ID, an administrator adds the optional claim "xms_edov" to the application's manifest.
    """

    code = "identity_email_not_verified"


class OtherDomain(SignInRefused):
    """Your e-mail address is not in a domain of this practice. Sign in with the address of your work."""

    code = "identity_other_domain"


class NoAccount(SignInRefused):
    """There is no account for your e-mail address in this practice. Ask an administrator to add you."""

    code = "identity_without_account"


class AccountDeactivated(SignInRefused):
    """Your account was deactivated. Ask an administrator of your practice."""


class OtherIdentity(SignInRefused):
    """The account with your e-mail address belongs to a different user of the identity provider.

    If you are the same person, ask an administrator to unlink the account on your page under Users.
    """


class NoRole(SignInRefused):
    """None of your groups has a role here. Ask an administrator to add you to a group, or to give your group a role."""


class OtherUser(SignInRefused):
    """A different user signed in at the identity provider. Sign in there as yourself."""


class NotSignedInAgain(SignInRefused):
    """The identity provider did not ask you to sign in again. Sign out here and sign in again."""
