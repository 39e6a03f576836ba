using System.Diagnostics;
using System.Globalization;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;

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
/// <param name="flush">What asks the disk; by default <see cref="Disk.Flush"/>.</param>
internal sealed class SharedSync(string database, Action<SafeFileHandle>? flush = null)
{
    private readonly string log = database + "-wal";

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);

    /// <summary>How long a log that can't be opened is tried again, as when the process has too many files open: what it holds is committed, and whoever wrote it would be told otherwise.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1.5);

    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(50);

    /// <summary>Bytes of the log, past which what it holds is moved to the database. It is read through at each look that isn't in memory.</summary>
    private const long MoveAt = 4 << 20;

    private readonly object _turn = new();
    private long _moveAt = MoveAt;
    private TaskCompletionSource? _next;
    private bool _running;
    private volatile bool _refused;

    /// <summary>Flushes that failed: of what such a one was for the kernel may count as taken what isn't there, and says "done" when it is asked again.</summary>
    private volatile int _failed;

    /// <summary>How many had, when the log was last written again.</summary>
    private volatile int _madeGood;

    /// <summary>
    /// Removed or moved, it is still written to, and nobody will find it again. And since the disk has refused, its log is opened before anybody writes:
    /// what would be refused again isn't written.
    /// </summary>
    /// <exception cref="UnflushedException">It is, or the log can't be opened still, or not be written again.</exception>
    public void DemandFile()
    {
        if (IsGone(database)) throw new UnflushedException(new FileNotFoundException("The file of the database is gone.", database));
        if (!_refused && _failed == _madeGood) return;
        try
        {
            Open()?.Dispose();
            if (_failed != _madeGood) WriteAgain();
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw new UnflushedException(e);
        }
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
            var length = 0L;
            try
            {
                using (var file = OpenPatiently())
                {
                    if (file is not null) Flush(file);
                    if (file is not null) length = RandomAccess.GetLength(file);
                }

                _refused = false;
                waiting.SetResult();
            }
            catch (Exception e) // whatever it is: they would wait for ever, and the process end with this thread
            {
                _refused = true;
                waiting.SetException(new UnflushedException(e is UnflushedException ? e.InnerException! : e, isWritten: true));
            }

            MoveToDatabase(length);
        }
    }

    private void Flush(SafeFileHandle file)
    {
        try
        {
            (flush ?? Disk.Flush)(file);
        }
        catch (IOException)
        {
            Interlocked.Increment(ref _failed);
            throw;
        }
    }

    // The same bytes once more, so that the kernel has them to write again. Left out, they would be a hole after a power cut, up to which the log is read:
    // what stands behind it would be lost with it, however well that was flushed. Nobody adds to the log meanwhile, nor begins it anew.
    private void WriteAgain()
    {
        using var connection = Connect(busyTimeout: 300);
        Execute(connection, "BEGIN IMMEDIATE");
        var failed = _failed;
        using (var file = Open())
        {
            if (file is not null)
            {
                var part = new byte[64 * 1024];
                for (long at = 0; RandomAccess.Read(file, part, at) is > 0 and var read; at += read) RandomAccess.Write(file, part.AsSpan(..read), at);
                Flush(file);
            }
        }

        _madeGood = failed;
        Execute(connection, "ROLLBACK");
    }

    // The engine would do it by itself in somebody's commit, and keep to itself that a flush has failed.
    private void MoveToDatabase(long length)
    {
        if (length < _moveAt) return;
        _moveAt = length + MoveAt; // should somebody read or write on and on
        try
        {
            using var connection = Connect(busyTimeout: 50);
            Execute(connection, "PRAGMA wal_checkpoint(PASSIVE)"); // most of it, while others write
            if (Execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)") is 0L) _moveAt = MoveAt; // its first column: whether anybody was in the way
        }
        catch (Exception e) // whatever it is: those it is for have their answer, and this thread goes on
        {
            // The log was flushed once more first, and that may be what has failed.
            if (e is SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_IOERR }) Interlocked.Increment(ref _failed);
        }
    }

    private SqliteConnection Connect(int busyTimeout)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = database, Mode = SqliteOpenMode.ReadWrite, Pooling = false, DefaultTimeout = 1 }.ToString());
        connection.Open();
        Execute(connection, string.Create(CultureInfo.InvariantCulture, $"PRAGMA busy_timeout = {busyTimeout}"));
        return connection;
    }

    private static object? Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    // Where it was in vain, those who come after don't wait as well.
    private SafeFileHandle? OpenPatiently()
    {
        for (var since = Stopwatch.GetTimestamp(); ;)
        {
            DemandFile();
            try
            {
                return Open();
            }
            catch (Exception e) when (IsRefusal(e) && !_refused && Stopwatch.GetElapsedTime(since) < Patience)
            {
                lock (_turn) Monitor.Wait(_turn, BetweenTries); // whoever commits meanwhile has it try at once, which does no harm
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
    private SafeFileHandle? Open()
    {
        try
        {
            return File.OpenHandle(log, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private static bool IsRefusal(Exception e) => e is IOException or UnauthorizedAccessException or SqliteException;
}

/// <summary>What is committed isn't known to survive a power cut: whoever asked must not be told that it does.</summary>
/// <param name="isWritten">Whether something was: others see it, and act upon it, until the power fails.</param>
public sealed class UnflushedException(Exception cause, bool isWritten = false) : System.Data.Common.DbException("The disk refused to flush the log.", cause)
{
    public bool IsWritten => isWritten;

    public override bool IsTransient => true;
}
