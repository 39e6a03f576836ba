namespace App.Factors;

/// <summary>Ways to prove who one is, in the words of RFC 8176.</summary>
internal static class Amr
{
    public const string Password = "pwd";
    public const string Code = "otp";

    /// <summary>A passkey that can't leave its device.</summary>
    public const string DeviceKey = "hwk";

    /// <summary>A passkey that is synced between devices.</summary>
    public const string SyncedKey = "swk";

    /// <summary>More than one factor.</summary>
    public const string Several = "mfa";

    // The order in which a session names them.
    private static readonly string[] Order = [Password, Code, DeviceKey, SyncedKey, Several];

    /// <summary>All of them once, and <see cref="Several"/> where a password and something else came together.</summary>
    public static string Join(IEnumerable<string> one, IEnumerable<string> other)
    {
        var all = one.Concat(other).ToHashSet(StringComparer.Ordinal);
        if (all.Contains(Password) && (all.Contains(Code) || all.Contains(DeviceKey) || all.Contains(SyncedKey))) all.Add(Several);
        return string.Join(' ', Order.Where(all.Contains));
    }
}
