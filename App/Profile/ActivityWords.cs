using System.Globalization;
using App.Accounts;
using App.Factors;
using App.Ui;

namespace App.Profile;

/// <summary>The audit's verbs as people say them. What is new in the audit is named as it stands there until it has words here.</summary>
internal static class ActivityWords
{
    public static string Of(ActivityView entry) => Of(entry.Action, entry.Detail);

    public static string Of(string action, string? detail) => action switch
    {
        "signed-up" => Text.DidSignUp,
        "signed-in" => Text.DidSignIn,
        "session-ended" => detail switch
        {
            "sign-out" => Text.DidSignOut,
            "replaced" => Text.DidReplace,
            "refresh-reuse" => Text.DidReuse,
            "too-many-guesses" => Text.DidEndGuesses,
            "disowned" => Text.DidDisownSession,
            "ended-by-admin" => Text.DidEndOneByAdmin,
            "fire-drill" => Text.DidEndDrill,
            _ => Text.DidEnd,
        },
        "password-changed" => Text.DidChangePassword,
        "reset-asked" => Text.DidAskReset,
        "reset-started" => Text.DidStartReset,
        "email-confirmed" => Text.DidConfirm,
        "email-change-asked" => Text.DidAskEmail,
        ChangeEmail.Withdrawn => Text.DidWithdrawEmail,
        "email-changed" => Text.DidChangeEmail,
        "email-change-undone" => Text.DidUndoEmail,
        "name-changed" => Text.DidChangeName,
        "data-taken" => Text.DidTakeData,
        "disowned" => Text.DidDisown,
        "role-granted" => Sentence.With(Text.DidGetRole, detail),
        "role-revoked" => Sentence.With(Text.DidLoseRole, detail),
        "account-locked" => Text.DidLockAccount,
        "account-unlocked" => detail == "guesses" ? Text.DidForgive : Text.DidUnlockAccount,
        "sessions-ended" => Text.DidEndByAdmin,
        FactorChange.AuthenticatorAdded => Text.DidAddAuthenticator,
        FactorChange.AuthenticatorRemoved => Text.DidRemoveAuthenticator,
        FactorChange.CodesRenewed => Text.DidRenewCodes,
        FactorChange.CodesRemoved => Text.DidRemoveCodes,
        FactorChange.PasskeyAdded => Text.DidAddPasskey,
        FactorChange.PasskeyRemoved => Text.DidRemovePasskey,
        FactorChange.PasskeyRenamed => Sentence.With(Text.DidRenamePasskey, detail),
        SecondFactor.RecoveryCodeUsed => Sentence.With(Text.DidUseCode, detail),
        GuessLimits.Refused => Refused(detail?.Split('|')[0]),
        GuessLimits.RefusedInSession => Text.DidRefuseProof,
        GuessLimits.LockedOut => Locked(detail!.Split(' ', '|')),
        "proved-again" => Text.DidProve,
        "account-deleted" => Text.DidDeleteAccount,
        "service-created" => Sentence.With(Text.DidAddService, detail),
        "service-changed" => Sentence.With(Text.DidChangeService, detail),
        "service-removed" => Sentence.With(Text.DidRemoveService, detail),
        "service-secret-rotated" => Sentence.With(Text.DidRotateSecret, detail),
        "service-secret-withdrawn" => Sentence.With(Text.DidWithdrawSecret, detail),
        "service-push-changed" => Sentence.With(Text.DidChangePush, detail),
        "service-push-removed" => Sentence.With(Text.DidRemovePush, detail),
        "service-push-retried" => Sentence.With(Text.DidRetryPush, detail),
        "signing-key-rotated" => Sentence.With(Text.DidRotateKey, detail),
        "signing-key-revoked" => Sentence.With(Text.DidRevokeKey, detail),
        "fire-drill" => Text.DidDrill,
        _ => Sentence.With(Text.DidOther, action),
    };

    /// <summary>All of a kind, whatever their detail says.</summary>
    public static string Kind(string action) => action switch
    {
        GuessLimits.Refused => Text.DidRefuseAny,
        GuessLimits.LockedOut => Text.DidLockAny,
        _ => Of(action, "…").Replace(": …", "", StringComparison.Ordinal),
    };

    private static string Refused(string? what) => what switch
    {
        Amr.Code => Text.DidRefuseCode,
        not null when RefusedSignIn.IsStepDue(what) => Text.DidAskStep,
        not null when what.EndsWith(RefusedSignIn.AtLocked, StringComparison.Ordinal) => Text.DidRefuseLocked,
        _ => Text.DidRefuse,
    };

    private static string Locked(string[] detail) => detail[1] == GuessLimits.ForGood.TotalSeconds.ToString(CultureInfo.InvariantCulture)
        ? detail[0] == Amr.Code ? Text.DidLockCodesForGood : Text.DidLockForGood
        : Sentence.With(detail[0] == Amr.Code ? Text.DidLockCodes : Text.DidLock, When.Lasting(TimeSpan.FromSeconds(int.Parse(detail[1], CultureInfo.InvariantCulture))));
}
