using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Events;

/// <summary>What a verifier has applied.</summary>
public sealed class AckRequest
{
    /// <summary>Every entry up to this cursor that the feed gave is applied.</summary>
    [Range(0, long.MaxValue)]
    public long? Cursor { get; set; }

    /// <summary>Which instance of the service speaks; 1 to 64 of the characters A-Z, a-z, 0-9, '.', '_' and '-'. All that give none count as one, and the quickest speaks for them.</summary>
    [MaxLength(64)]
    public string? Instance { get; set; }

    /// <summary>
    /// True where the instance accepts no tokens from now on, because it stops: nobody waits for it any more. It counts again once it opens
    /// the feed, or acknowledges something new more than six seconds later. The name must be one process' alone; without one this says nothing.
    /// </summary>
    public bool Leaving { get; set; }
}

/// <summary>A verifier says what it has applied; from that we know who refuses a token already. It speaks for its own service alone.</summary>
internal sealed class AckEvents(EventFeed feed, FeedContacts contacts)
{
    /// <summary>
    /// What an instance of the service has applied: from that we know who refuses a token already. 204 once it is noted.
    /// 400 for an <c>instance</c> that is no name, and for a cursor that was never given out: nobody can have applied it.
    /// </summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(AckRequest request, CallingService service, AckEvents ack, CancellationToken ct)
    {
        if (request.Cursor is not >= 0) return Problems.Invalid([new Fault("cursor must be a whole number, 0 or more", "cursor")]);
        if (!FeedContacts.IsName(request.Instance ?? "")) return Problems.Invalid([new Fault("instance must be 1 to 64 of the characters A-Z, a-z, 0-9, '.', '_' and '-'", "instance")]);
        if (!await ack.TryAsync(service, request.Instance ?? "", request.Cursor.Value, ct)) return Problems.Invalid([new Fault("cursor was never given out", "cursor")]);
        if (request is { Leaving: true, Instance.Length: > 0 }) ack.Left(service, request.Instance);
        return TypedResults.NoContent();
    }

    public async Task<bool> TryAsync(CallingService service, string instance, long cursor, CancellationToken ct)
    {
        if (cursor > feed.Newest && cursor > await feed.GivenOutAsync(ct)) return false;
        contacts.Applied(service, instance, cursor);
        return true;
    }

    private void Left(CallingService service, string instance) => contacts.Left(service, instance);
}
