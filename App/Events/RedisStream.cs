using StackExchange.Redis;

namespace App.Events;

/// <summary>
/// Tells the log on as a stream in Redis: after the commit, in order, each entry once, without a gap. Every replica tells on whatever the
/// stream lacks, no matter whose it is, so one that dies leaves nothing unsaid, and a Redis that was away or comes back empty is caught up.
/// Nobody waits for it: a revocation is in force by the database alone, Redis merely makes the other replicas look sooner.
/// </summary>
internal sealed partial class RedisStream(EventOptions options, EventFeed feed, EntryText text, ILogger<RedisStream> logger) : BackgroundService
{
    private const int AtOnce = 100;
    private static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(1);

    // Compare and append, in one step: two replicas can neither double an entry nor overtake each other, and after whatever happened to
    // Redis the next one who writes is told where the stream really stands. Trimming doesn't move the last id that was given out.
    private const string Append = """
        local at = '0'
        local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
        if not info.err then
          for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then at = string.match(info[i + 1], '^%d+') end
          end
        end
        if at ~= ARGV[1] then return at end
        for i = 3, #ARGV, 3 do
          redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[i] .. '-0', 'cursor', ARGV[i], 'type', ARGV[i + 1], 'data', ARGV[i + 2])
          at = ARGV[i]
        end
        if #ARGV > 2 then redis.call('PUBLISH', KEYS[1], at) end
        return at
        """;

    private long _announced;
    private volatile bool _answers;
    private bool _saidAway;
    private bool _saidAhead;

    /// <summary>Whether announcements can be relied on, as far as anybody knows.</summary>
    public bool Answers => _answers;

    /// <summary>Raised when the stream has grown by what this process hasn't read yet. On any thread; must not throw.</summary>
    public event Action? Grown;

    // A method of its own: where there is no Redis, its client isn't even loaded.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        options.Redis is { } redis ? FollowAsync(redis, stoppingToken) : Task.CompletedTask;

    private async Task FollowAsync(string redis, CancellationToken stoppingToken)
    {
        ConnectionMultiplexer? connection = null;
        try
        {
            var position = 0L;
            while (true)
            {
                var changed = feed.Changed;
                try
                {
                    connection ??= await ConnectAsync(redis, stoppingToken);
                    position = await CatchUpAsync(connection.GetDatabase(), Math.Max(position, Interlocked.Exchange(ref _announced, 0)), stoppingToken);
                    await CompareAsync(position, stoppingToken);
                    if (_saidAway) Back(options.RedisStream, position);
                    _saidAway = false;
                }
                catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
                {
                    _answers = false;
                    if (!_saidAway) Away(options.RedisStream, CauseOf(e));
                    _saidAway = true;
                    await Task.Delay(BetweenTries, stoppingToken);
                    continue;
                }

                // With each entry, and every five seconds with a heartbeat: that is how often an idle Redis is looked after.
                await changed.WaitAsync(stoppingToken);
            }
        }
        finally
        {
            if (connection is not null) await connection.CloseAsync(allowCommandsToComplete: false);
        }
    }

    private async Task<ConnectionMultiplexer> ConnectAsync(string text, CancellationToken ct)
    {
        var configuration = ConfigurationOptions.Parse(text);
        configuration.AbortOnConnectFail = false;
        configuration.BacklogPolicy = BacklogPolicy.FailFast;
        configuration.ReconnectRetryPolicy = new LinearRetry((int)BetweenTries.TotalMilliseconds);
        var connection = await ConnectionMultiplexer.ConnectAsync(configuration).WaitAsync(ct);
        // Kept by the connection, which renews it by itself however often Redis goes away.
        await connection.GetSubscriber().SubscribeAsync(RedisChannel.Literal(options.RedisStream), (_, cursor) => Hear(cursor), CommandFlags.FireAndForget);
        return connection;
    }

    // What is announced saves a question and no more: the stream itself says where it stands.
    private void Hear(RedisValue announced)
    {
        if (!announced.TryParse(out long cursor)) return;
        Interlocked.Exchange(ref _announced, cursor);
        if (cursor > feed.Newest) Grown?.Invoke();
    }

    /// <summary>Returns where the stream stands when there is nothing left to tell.</summary>
    private async Task<long> CatchUpAsync(IDatabase redis, long position, CancellationToken ct)
    {
        while (true)
        {
            var entries = await feed.AfterAsync(position, AtOnce, ct);
            var aim = entries is [.., var last] ? last.Event.Cursor : position;
            position = await AppendAsync(redis, position, entries, ct);
            if (position == aim && entries.Count < AtOnce) return position;
        }
    }

    private async Task<long> AppendAsync(IDatabase redis, long position, IReadOnlyList<FeedEntry> entries, CancellationToken ct)
    {
        var arguments = new List<RedisValue>(2 + (3 * entries.Count)) { position, options.RedisLength };
        foreach (var entry in entries)
        {
            await text.SettleAsync(entry.Event, ct);
            arguments.AddRange([entry.Event.Cursor, entry.Event.Type, text.Data(entry, text.Audience)]);
        }

        return (long)await redis.ScriptEvaluateAsync(Append, [options.RedisStream], [.. arguments]).WaitAsync(ct);
    }

    // Another replica's entry may be there before this one has read it; one that the database doesn't know is another database's.
    private async Task CompareAsync(long position, CancellationToken ct)
    {
        var ahead = position > feed.Newest && position > await feed.GivenOutAsync(ct);
        if (ahead && !_saidAhead) Ahead(options.RedisStream, position);
        _saidAhead = ahead;
        _answers = !ahead;
    }

    // Never the connection string; a server's own words are short and hold no secret of it.
    private static string CauseOf(Exception e) => e switch
    {
        RedisConnectionException connection => connection.FailureType.ToString(),
        RedisServerException server => server.Message[..Math.Min(server.Message.Length, 100)],
        _ => e.GetType().Name,
    };

    [LoggerMessage(2541, LogLevel.Warning, "The stream {Stream} in Redis waits, revocations are followed by the database alone: {Cause}")]
    private partial void Away(string stream, string cause);

    [LoggerMessage(2542, LogLevel.Information, "The stream {Stream} in Redis is caught up, at {Cursor}")]
    private partial void Back(string stream, long cursor);

    [LoggerMessage(2543, LogLevel.Warning, "The stream {Stream} in Redis is at {Cursor}, which this database never gave out: delete it, or name another in Events:RedisStream")]
    private partial void Ahead(string stream, long cursor);
}
