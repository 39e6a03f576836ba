using System.ComponentModel;

namespace App.Accounts;

/// <summary>What follows when a stranger signs up.</summary>
public enum SignUpMode
{
    /// <summary>They are in at once, and a taken address is told.</summary>
    Open,

    /// <summary>They get a letter first, with the same answer whether the address is taken or not; its owner gets one that says so.</summary>
    ConfirmFirst,
}

/// <summary>How people get in (section <c>Accounts</c>).</summary>
public sealed class AccountOptions
{
    [Description("`Open`: whoever signs up is in at once, and is told where the address is taken. `ConfirmFirst`: the answer is the same for every address, and the account begins with the link in a letter.")]
    public SignUpMode SignUp { get; set; } = SignUpMode.Open;
}
