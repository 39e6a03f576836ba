using System.Collections;
using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Linq.Expressions;
using System.Reflection;
using App.Data;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace App.Tests.Data;

/// <summary>
/// SQLite for the tests' apps, which has SQL Server's parser look at each text that it is given beside EF Core (<see cref="PlainSql"/>), and
/// SQL Server's provider at each query (<see cref="SqlServerTwin"/>): what the production database would refuse is a fault of the test that ran it.
/// </summary>
internal sealed class WatchedSqlite(IServiceProvider services) : IDbConnectionInterceptor, IDbCommandInterceptor
{
    // The driver's own, and those of SchemaMigration.
    private static readonly string[] Sqlites = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "EXPLAIN", "CREATE TABLE"];

    // Not of the model: SQLite's own, EF Core's, and those of GroupCommitTests.
    private static readonly string[] Elsewhere = ["FROM sqlite_master", "\"__EFMigrationsHistory\"", "\"Written\"", "\"Nowhere\""];

    public static readonly IQueryExpressionInterceptor Queries = new AtQueries();

    private readonly ConcurrentDictionary<string, string> _faults = new(StringComparer.Ordinal);

    /// <summary>Text and fault of each statement that isn't right on SQL Server.</summary>
    public IEnumerable<string> Faults => _faults.Select(f => $"{f.Value}\nin {f.Key}");

    public DbConnection ConnectionCreated(ConnectionCreatedEventData eventData, DbConnection result)
    {
        if (eventData.Context is not SqliteDb db) return result;
        var connection = new Connection(this) { ConnectionString = result.ConnectionString };
        result.Dispose();
        // As EF Core does with those that it makes itself.
        var relational = db.GetService<IRelationalConnection>();
        relational.GetType().GetMethod("InitializeDbConnection", BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(relational, [connection]);
        return connection;
    }

    public DbCommand CommandCreated(CommandEndEventData eventData, DbCommand result)
    {
        if (result is Command command) command.IsEfs = true;
        return result;
    }

    private static bool IsForSqliteAlone(string text) =>
        Sqlites.Any(start => text.StartsWith(start, StringComparison.Ordinal)) || Elsewhere.Any(table => text.Contains(table, StringComparison.Ordinal));

    private SqlServerText? Look(Command command)
    {
        if (command.IsEfs || IsForSqliteAlone(command.CommandText)) return null;
        var text = SqlServerText.Of(command.CommandText, services);
        Note(command.CommandText, text.Faults.Concat(command.Parameters.Cast<SqliteParameter>().SelectMany(p => text.FaultsOf(p.ParameterName, p.Value))));
        return text;
    }

    private void Note(string sql, IEnumerable<string> faults)
    {
        var all = string.Join("; ", faults);
        if (all.Length > 0) _faults[sql] = all;
    }

    /// <summary>One for all apps: EF Core makes its services anew for each that is another. As it keeps what it has compiled, the first test to put a query is the one that is told.</summary>
    private sealed class AtQueries : IQueryExpressionInterceptor
    {
        public Expression QueryCompilationStarting(Expression queryExpression, QueryExpressionEventData eventData)
        {
            if (eventData.Context is not SqliteDb db) return queryExpression;
            var text = eventData.ExpressionPrinter.PrintExpression(queryExpression);
            if (SqlServerTwin.FaultOf(queryExpression, text) is { } fault)
                db.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.OfType<WatchedSqlite>().Single()._faults.TryAdd(text, fault);
            return queryExpression;
        }
    }

    private sealed class Connection(WatchedSqlite watch) : SqliteConnection
    {
        /// <summary>Results that are being read.</summary>
        public int Results { get; set; }

        public override SqliteCommand CreateCommand() => new Command(watch) { Connection = this, Transaction = Transaction };
    }

    private sealed class Command(WatchedSqlite watch) : SqliteCommand
    {
        public bool IsEfs { get; set; }

        protected override SqliteDataReader? DataReader
        {
            get => base.DataReader;
            set
            {
                if (Connection is Connection connection) connection.Results += (value is null ? 0 : 1) - (base.DataReader is null ? 0 : 1);
                base.DataReader = value;
            }
        }

        // Whatever is run comes by here.
        public override SqliteDataReader ExecuteReader(CommandBehavior behavior)
        {
            if (Connection is Connection { Results: > 0 }) watch.Note(CommandText, ["run while another result is being read, which a connection to SQL Server can't"]);
            return base.ExecuteReader(behavior);
        }

        public override int ExecuteNonQuery()
        {
            watch.Look(this);
            return base.ExecuteNonQuery();
        }

        protected override async Task<DbDataReader> ExecuteDbDataReaderAsync(CommandBehavior behavior, CancellationToken cancellationToken)
        {
            var text = watch.Look(this);
            var reader = await base.ExecuteDbDataReaderAsync(behavior, cancellationToken);
            return text is null or { IsRead: true } ? reader : new Reader(reader, (column, type) =>
            {
                text.Read(column, type);
                watch.Note(CommandText, text.Faults);
            });
        }
    }

    /// <summary>Tells as what each column is read. Whoever asks whether this is SQLite's is told no, and asks it for an instant as they do SQL Server's.</summary>
    [SuppressMessage("Naming", "CA1710:Identifiers should have correct suffix", Justification = "It is a reader, and its base enumerates rows.")]
    private sealed class Reader(DbDataReader inner, Action<int, Type> read) : DbDataReader
    {
        public override int Depth => inner.Depth;

        public override int FieldCount => inner.FieldCount;

        public override bool HasRows => inner.HasRows;

        public override bool IsClosed => inner.IsClosed;

        public override int RecordsAffected => inner.RecordsAffected;

        public override object this[int ordinal] => throw new NotSupportedException();

        public override object this[string name] => throw new NotSupportedException();

        public override bool GetBoolean(int ordinal) => Get(ordinal, inner.GetBoolean);

        public override byte GetByte(int ordinal) => throw new NotSupportedException();

        public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) => throw new NotSupportedException();

        public override char GetChar(int ordinal) => throw new NotSupportedException();

        public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) => throw new NotSupportedException();

        public override string GetDataTypeName(int ordinal) => throw new NotSupportedException();

        public override DateTime GetDateTime(int ordinal) => throw new NotSupportedException();

        public override decimal GetDecimal(int ordinal) => throw new NotSupportedException();

        public override double GetDouble(int ordinal) => throw new NotSupportedException();

        public override IEnumerator GetEnumerator() => throw new NotSupportedException();

        public override Type GetFieldType(int ordinal) => throw new NotSupportedException();

        public override T GetFieldValue<T>(int ordinal) => typeof(T) == typeof(DateTimeOffset)
            ? (T)(object)Get(ordinal, column => new DateTimeOffset(inner.GetInt64(column), TimeSpan.Zero))
            : Get(ordinal, inner.GetFieldValue<T>);

        public override float GetFloat(int ordinal) => throw new NotSupportedException();

        public override Guid GetGuid(int ordinal) => Get(ordinal, inner.GetGuid);

        public override short GetInt16(int ordinal) => throw new NotSupportedException();

        public override int GetInt32(int ordinal) => Get(ordinal, inner.GetInt32);

        public override long GetInt64(int ordinal) => Get(ordinal, inner.GetInt64);

        public override string GetName(int ordinal) => throw new NotSupportedException();

        public override int GetOrdinal(string name) => throw new NotSupportedException();

        public override string GetString(int ordinal) => Get(ordinal, inner.GetString);

        public override object GetValue(int ordinal) => throw new NotSupportedException();

        public override int GetValues(object[] values) => throw new NotSupportedException();

        public override bool IsDBNull(int ordinal) => inner.IsDBNull(ordinal);

        public override bool NextResult() => inner.NextResult();

        public override bool Read() => inner.Read();

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }

        private T Get<T>(int column, Func<int, T> get)
        {
            read(column, typeof(T));
            return get(column);
        }
    }
}
