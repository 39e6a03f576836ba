using System.Globalization;
using App.Accounts;
using App.Factors;
using App.Ui;

namespace App.Profile;

/// <summary>The audit's verbs as people say them. What is new in the audit is named as it stands there until it has words here.</summary>
internal static class ActivityWords
{
    public static string Of(ActivityView entry) => entry.Action switch
    {
        "signed-up" => Text.DidSignUp,
        "signed-in" => Text.DidSignIn,
        "session-ended" => entry.Detail switch
        {
            "sign-out" => Text.DidSignOut,
            "replaced" => Text.DidReplace,
            "refresh-reuse" => Text.DidReuse,
            "disowned" => Text.DidDisownSession,
            _ => Text.DidEnd,
        },
        "password-changed" => Text.DidChangePassword,
        "reset-asked" => Text.DidAskReset,
        "email-confirmed" => Text.DidConfirm,
        "email-change-asked" => Text.DidAskEmail,
        "email-changed" => Text.DidChangeEmail,
        "email-change-undone" => Text.DidUndoEmail,
        "name-changed" => Text.DidChangeName,
        "data-taken" => Text.DidTakeData,
        "disowned" => Text.DidDisown,
        "role-granted" => Text.DidGetRole,
        "role-revoked" => Text.DidLoseRole,
        "account-locked" => Text.DidLockAccount,
        "account-unlocked" => Text.DidUnlockAccount,
        "sessions-ended" => Text.DidEndByAdmin,
        FactorChange.AuthenticatorAdded => Text.DidAddAuthenticator,
        FactorChange.AuthenticatorRemoved => Text.DidRemoveAuthenticator,
        FactorChange.CodesRenewed => Text.DidRenewCodes,
        FactorChange.CodesRemoved => Text.DidRemoveCodes,
        FactorChange.PasskeyAdded => Text.DidAddPasskey,
        FactorChange.PasskeyRemoved => Text.DidRemovePasskey,
        FactorChange.PasskeyRenamed => Sentence.With(Text.DidRenamePasskey, entry.Detail),
        SecondFactor.RecoveryCodeUsed => Sentence.With(Text.DidUseCode, entry.Detail),
        GuessLimits.Refused => entry.Detail == Amr.Code ? Text.DidRefuseCode : Text.DidRefuse,
        GuessLimits.LockedOut => Locked(entry.Detail!.Split(' ')),
        "proved-again" => Text.DidProve,
        _ => Sentence.With(Text.DidOther, entry.Action),
    };

    private static string Locked(string[] detail) =>
        Sentence.With(detail[0] == Amr.Code ? Text.DidLockCodes : Text.DidLock, When.Lasting(TimeSpan.FromSeconds(int.Parse(detail[1], CultureInfo.InvariantCulture))));
}
