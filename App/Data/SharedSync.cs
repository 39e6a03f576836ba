namespace App.Data;

/// <summary>
/// Waits for the disk once for everybody who has committed (group commit). SQLite alone would flush its log inside each commit, one writer
/// after the other, with a thread of the pool blocked each time; so it commits to the log without waiting (<c>synchronous=NORMAL</c>), and
/// who writes answers nobody before the flush that began after its commit has ended. A thread of its own does it, and ends when nobody writes.
/// </summary>
/// <param name="database">
/// Its file. Opened is the write-ahead log beside it alone: SQLite holds its locks on other files, so that opening and closing that one here
/// gives none of them up.
/// </param>
internal sealed class SharedSync(string database)
{
    private readonly string log = database + "-wal";

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);

    private readonly object _turn = new();
    private TaskCompletionSource? _next;
    private bool _running;

    /// <summary>Removed or moved, it is still written to, and nobody will find it again.</summary>
    /// <exception cref="UnflushedException">It is.</exception>
    public void DemandFile()
    {
        if (IsGone(database)) throw new UnflushedException(new FileNotFoundException("The file of the database is gone.", database));
    }

    public static bool IsGone(string database) => Path.IsPathRooted(database) && !File.Exists(database);

    /// <summary>Returns when all that was committed before the call is on the disk.</summary>
    /// <exception cref="UnflushedException">The disk refused; what was committed may be lost with the power.</exception>
    public Task WaitAsync()
    {
        lock (_turn)
        {
            _next ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_running) Monitor.Pulse(_turn);
            else new Thread(Run) { IsBackground = true, Name = "Waits for the disk" }.UnsafeStart();
            _running = true;
            return _next.Task;
        }
    }

    private void Run()
    {
        while (Take() is { } waiting)
        {
            try
            {
                DemandFile();
                Flush();
                waiting.SetResult();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or UnflushedException)
            {
                waiting.SetException(e as UnflushedException ?? new UnflushedException(e));
            }
        }
    }

    private TaskCompletionSource? Take()
    {
        lock (_turn)
        {
            if (_next is null) Monitor.Wait(_turn, Idle);
            var taken = _next;
            _next = null;
            _running = taken is not null;
            return taken;
        }
    }

    // By its name each time: SQLite removes the file when the last connection closes, having moved all of it, flushed, to the database.
    private void Flush()
    {
        try
        {
            using var file = File.OpenHandle(log, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.FlushToDisk(file);
        }
        catch (FileNotFoundException)
        {
        }
    }
}

/// <summary>Committed, but not known to survive a power cut: whoever asked must not be told that it does.</summary>
public sealed class UnflushedException(Exception cause) : System.Data.Common.DbException("The disk refused to flush the log.", cause)
{
    public override bool IsTransient => true;
}
