using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace App.Factors;

/// <summary>Codes of an authenticator app: RFC 6238 with what every app does by default, SHA-1, 30 seconds, six digits.</summary>
internal static class Totp
{
    public const int Digits = 6;

    /// <summary>160 bits, as RFC 4226 section 4 recommends.</summary>
    public const int SecretSize = 20;

    private const long Period = 30;

    // One step to either side, for clocks that differ and fingers that are slow (RFC 6238 section 5.2).
    private const int Drift = 1;

    private const string Base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    public static long StepAt(DateTimeOffset time) => time.ToUnixTimeSeconds() / Period;

#pragma warning disable CA5350 // RFC 4226 is defined on HMAC-SHA-1, which no collision touches, and the apps know no other.
    public static string Code(byte[] secret, long step)
    {
        Span<byte> counter = stackalloc byte[8], mac = stackalloc byte[HMACSHA1.HashSizeInBytes];
        BinaryPrimitives.WriteInt64BigEndian(counter, step);
        HMACSHA1.HashData(secret, counter, mac);
        var number = BinaryPrimitives.ReadUInt32BigEndian(mac[(mac[^1] & 0xf)..]) & 0x7fff_ffff;
        return (number % 1_000_000).ToString("D6", CultureInfo.InvariantCulture);
    }
#pragma warning restore CA5350

    /// <summary>The time step that a code belongs to; null where it belongs to none that is near.</summary>
    public static long? StepOf(byte[] secret, string code, DateTimeOffset now)
    {
        long? found = null;
        // All of them, whichever matches: how long it takes says nothing.
        for (var step = StepAt(now) - Drift; step <= StepAt(now) + Drift; step++)
            if (CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Code(secret, step)), Encoding.ASCII.GetBytes(code))) found = step;
        return found;
    }

    /// <summary>The secret as people type it and as <c>otpauth</c> carries it (RFC 4648 section 6, without padding: 20 bytes need none).</summary>
    public static string Text(byte[] secret)
    {
        var text = new StringBuilder();
        var (bits, held) = (0, 0);
        foreach (var b in secret)
        {
            (bits, held) = ((bits << 8) | b, held + 8);
            for (; held >= 5; held -= 5) text.Append(Base32[(bits >> (held - 5)) & 31]);
            bits &= 0xff;
        }

        return text.ToString();
    }

    /// <summary>What the QR code says.</summary>
    public static string Uri(byte[] secret, string issuer, string account) =>
        $"otpauth://totp/{System.Uri.EscapeDataString(issuer)}:{System.Uri.EscapeDataString(account)}?secret={Text(secret)}&issuer={System.Uri.EscapeDataString(issuer)}&algorithm=SHA1&digits={Digits}&period={Period}";
}
