using System.Buffers.Text;
using System.Text.Json;
using App.Data;
using App.Sessions;
using FsCheck;
using FsCheck.Xunit;

namespace App.Tests.Sessions;

/// <summary>What holds for every refresh token.</summary>
public sealed class RefreshTokenTests
{
    private static readonly RefreshKey Key = KeyOf(1);
    private static readonly RefreshKey OtherKey = KeyOf(2);

    [Property]
    public bool What_is_revealed_can_be_read_again(Guid session)
    {
        var token = RefreshToken.First(session);
        var read = RefreshToken.Parse(token.Reveal(Key), Key);
        return read is not null && read.SessionId == session && read.Hash().SequenceEqual(token.Hash()) && read.Reveal(Key) == token.Reveal(Key);
    }

    [Property]
    public bool No_bit_of_it_can_be_changed(Guid session, NonNegativeInt place)
    {
        var bytes = Base64Url.DecodeFromChars(RefreshToken.First(session).Reveal(Key));
        bytes[place.Get / 8 % bytes.Length] ^= (byte)(1 << (place.Get % 8));
        return RefreshToken.Parse(Base64Url.EncodeToString(bytes), Key) is null;
    }

    [Property]
    public bool Any_other_text_is_none(string? text) => RefreshToken.Parse(text, Key) is null;

    [Property]
    public bool Another_server_key_reads_none_of_ours(Guid session) => RefreshToken.Parse(RefreshToken.First(session).Reveal(Key), OtherKey) is null;

    [Property]
    public bool Every_replica_arrives_at_the_same_successor_and_nobody_else_does(Guid session)
    {
        var parent = RefreshToken.First(session);
        var child = parent.Successor(Key);
        var elsewhere = RefreshToken.Parse(parent.Reveal(Key), KeyOf(1))!.Successor(KeyOf(1));
        return child.SessionId == session
            && child.Reveal(Key) == elsewhere.Reveal(Key)
            && child.Reveal(Key) != parent.Reveal(Key)
            && !child.Hash().SequenceEqual(parent.Hash())
            && !child.Hash().SequenceEqual(parent.Successor(OtherKey).Hash());
    }

    [Property]
    public bool No_two_are_alike(Guid session) => RefreshToken.First(session).Reveal(Key) != RefreshToken.First(session).Reveal(Key);

    [Fact]
    public void A_chain_of_successors_does_not_come_round()
    {
        var token = RefreshToken.First(Guid.NewGuid());
        var seen = new HashSet<string>();
        for (var i = 0; i < 1000; i++, token = token.Successor(Key)) Assert.True(seen.Add(token.Reveal(Key)));
    }

    [Fact]
    public void It_has_one_spelling()
    {
        var text = RefreshToken.First(Guid.NewGuid()).Reveal(Key);
        Assert.Equal(86, text.Length);
        Assert.All(
            [text + "=", text + " ", " " + text, "\n" + text, text[..^1], text + "A", text[..40] + "\n" + text[41..], text.ToUpperInvariant()],
            bent => Assert.Null(RefreshToken.Parse(bent, Key)));

        // 64 bytes leave four bits of the last character over: only one of its sixteen spellings counts.
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        Assert.Equal(text, Assert.Single(alphabet.Select(c => text[..^1] + c), t => RefreshToken.Parse(t, Key) is not null));
    }

    [Fact]
    public void Neither_it_nor_its_key_can_be_printed()
    {
        var token = RefreshToken.First(Guid.NewGuid());
        Assert.Equal("(refresh token) (refresh key)", $"{token} {Key}");
        Assert.Equal($$"""{"SessionId":"{{token.SessionId}}"}""", JsonSerializer.Serialize(token));
        Assert.Equal("{}", JsonSerializer.Serialize(Key));
    }

    private static RefreshKey KeyOf(byte seed) =>
        MasterKey.TryParse(Convert.ToBase64String(Enumerable.Repeat(seed, 32).ToArray()), out var master) ? new RefreshKey(master) : throw new InvalidOperationException();
}
