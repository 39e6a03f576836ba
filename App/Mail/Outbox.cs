using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Mail;

/// <summary>
/// Where letters are put in the transaction of their cause: they are there with it or not at all, and <see cref="SendLetters"/> takes them out.
/// Saved by the caller.
/// </summary>
internal sealed class Outbox(AppDb db, MasterKey masterKey, MailOptions options, TimeProvider time)
{
    private const string Purpose = "letters";
    private const string CountAlone = "EXEC sp_getapplock @Resource = @key, @LockMode = 'Exclusive', @LockOwner = 'Transaction'";
    private const int LongestAddress = 320;

    private static readonly TimeSpan Remembered = TimeSpan.FromDays(7);

    public static readonly Sweep Sweep = new(async (db, now, ct) =>
    {
        var horizon = now - Remembered;
        await db.WriteInBatchesAsync(db.Outbox.Where(l => l.GiveUpAt <= now && l.Contents != null).OrderBy(l => l.Id), some => some.ExecuteUpdateAsync(set => set
            .SetProperty(l => l.Contents, (byte[]?)null).SetProperty(l => l.DueAt, (DateTimeOffset?)null).SetProperty(l => l.Fault, l => l.Fault ?? "too old"), ct), ct);
        await db.ForgetAsync(db.Outbox.Where(l => l.Contents == null && l.CreatedAt < horizon).OrderBy(l => l.Id), ct);
    });

    /// <param name="userId">Whom it is about.</param>
    /// <param name="usefulFor">How long it is worth sending; as long as any when null.</param>
    public void Add(Letter letter, Guid? userId = null, TimeSpan? usefulFor = null)
    {
        ArgumentNullException.ThrowIfNull(letter);
        // An address of ours holds no line break, and what a person calls themselves is put on one line: nothing typed becomes a header.
        if (letter.To.Length > LongestAddress || letter.To.Any(char.IsControl)) throw new ArgumentException("That is no address.", nameof(letter));
        var row = NewRow(usefulFor);
        (row.UserId, row.Contents) = (userId, Seal(letter with { Subject = OneLine(letter.Subject) }));
        db.Outbox.Add(row);
    }

    /// <param name="details">What the draft's writer is told.</param>
    /// <param name="countedAs">Whom it is about, as <see cref="CountAsync"/> knows them; null where nobody counts.</param>
    public void AddDraft(string kind, string details, string? countedAs = null, Guid? userId = null, TimeSpan? usefulFor = null)
    {
        var row = NewRow(usefulFor);
        (row.Draft, row.UserId, row.Contents) = (kind, userId, masterKey.Encrypt(Encoding.UTF8.GetBytes(details), Purpose));
        row.CountedAs = countedAs is null ? null : KeyOf(countedAs);
        db.Outbox.Add(row);
    }

    /// <summary>A letter that has a draft counts as one about somebody else, too: a row with nothing to send.</summary>
    public void CountAlso(string countedAs)
    {
        var row = NewRow(null);
        (row.CountedAs, row.DueAt) = (KeyOf(countedAs), null);
        db.Outbox.Add(row);
    }

    /// <summary>
    /// How many drafts about somebody there were, whatever has become of them; none is added by others until the caller's transaction ends. On SQLite
    /// whoever writes is alone, and SQL Server has no row to hold where there was none yet.
    /// </summary>
    public async Task<int> CountAsync(string countedAs, TimeSpan within, CancellationToken ct)
    {
        var (key, since) = (KeyOf(countedAs), time.GetUtcNow() - within);
        if (!db.IsSqlite) await db.WriteAsync(CountAlone, ct, ("@key", key));
        return await db.Outbox.CountAsync(l => l.CountedAs == key && l.CreatedAt > since, ct);
    }

    /// <summary>Whether a person's letter of this kind is still to be written.</summary>
    public Task<bool> IsWaitingAsync(Guid userId, string kind, CancellationToken ct) => db.Outbox.AnyAsync(l => l.UserId == userId && l.Draft == kind && l.Contents != null, ct);

    /// <summary>What a person asked for and isn't written yet never will be; it goes on counting. Runs in the caller's transaction.</summary>
    public Task WithdrawDraftsAsync(Guid userId, string kind, CancellationToken ct) =>
        db.Outbox.Where(l => l.UserId == userId && l.Draft == kind && l.Contents != null).ExecuteUpdateAsync(set => set
            .SetProperty(l => l.Contents, (byte[]?)null).SetProperty(l => l.DueAt, (DateTimeOffset?)null).SetProperty(l => l.Fault, "withdrawn"), ct);

    public byte[] Seal(Letter letter) => masterKey.Encrypt(JsonSerializer.SerializeToUtf8Bytes(letter), Purpose);

    /// <summary>The letter in a row; null for a draft, and for what has been sent.</summary>
    public Letter? Open(QueuedLetter row) =>
        row is { Draft: null, Contents: { } contents } ? JsonSerializer.Deserialize<Letter>(masterKey.Decrypt(contents, Purpose)) : null;

    public string DetailsOf(QueuedLetter row) => Encoding.UTF8.GetString(masterKey.Decrypt(row.Contents!, Purpose));

    private QueuedLetter NewRow(TimeSpan? usefulFor)
    {
        var now = time.GetUtcNow();
        return new QueuedLetter
        {
            Id = Guid.CreateVersion7(now),
            Culture = CultureInfo.CurrentUICulture.Name,
            CreatedAt = now,
            DueAt = now,
            GiveUpAt = now + (usefulFor < options.GiveUpAfter ? usefulFor.Value : options.GiveUpAfter),
        };
    }

    private string KeyOf(string countedAs) => Base64Url.EncodeToString(HMACSHA256.HashData(masterKey.Derive("counted letters"), Encoding.UTF8.GetBytes(countedAs)));

    private static string OneLine(string text) => string.Concat(text.Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? ' ' : c));
}
