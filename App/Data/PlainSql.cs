using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace App.Data;

/// <summary>
/// Statements as text, for those that run with every sign-in, every renewal and every new token: LINQ would be most of their price, since an
/// update's expression is compiled anew each time. One text serves both databases; only an instant is stored differently (<see cref="UtcTicks"/>).
/// </summary>
internal static class PlainSql
{
    // Parsing a statement takes longer than running it: within a transaction, which many requests may share (GroupCommit), the same text is
    // parsed once. The connection disposes of what it has prepared when the transaction gives it back.
    private static readonly ConditionalWeakTable<IDbContextTransaction, Dictionary<string, DbCommand>> Prepared = [];

    extension(AppDb db)
    {
        /// <summary>Runs in the caller's transaction where there is one.</summary>
        public async Task<int> WriteAsync(string sql, CancellationToken ct, params (string Name, object? Value)[] parameters)
        {
            await db.Database.OpenConnectionAsync(ct);
            try
            {
                await using var statement = db.Prepare(sql, parameters);
                return await statement.Command.ExecuteNonQueryAsync(ct);
            }
            catch (SqliteException e)
            {
                SqliteConnectionSetup.Renew(db.Database.GetDbConnection(), e);
                throw;
            }
            finally
            {
                await db.Database.CloseConnectionAsync();
            }
        }

        public async Task ReadAsync(string sql, Action<DbDataReader> row, CancellationToken ct, params (string Name, object? Value)[] parameters)
        {
            await db.Database.OpenConnectionAsync(ct);
            try
            {
                await using var statement = db.Prepare(sql, parameters);
                await using var reader = await statement.Command.ExecuteReaderAsync(ct);
                while (await reader.ReadAsync(ct)) row(reader);
            }
            finally
            {
                await db.Database.CloseConnectionAsync();
            }
        }

        /// <param name="select">Any select: whether it finds something.</param>
        public async Task<bool> ExistsAsync(string select, CancellationToken ct, params (string Name, object? Value)[] parameters)
        {
            var exists = false;
            await db.ReadAsync($"SELECT CASE WHEN EXISTS ({select}) THEN 1 ELSE 0 END", row => exists = row.GetInt32(0) == 1, ct, parameters);
            return exists;
        }

        private Statement Prepare(string sql, (string Name, object? Value)[] parameters)
        {
            if (db.Database.CurrentTransaction is not { } transaction) return new Statement(db.Command(sql, null, parameters), Kept: false);
            var prepared = Prepared.GetOrCreateValue(transaction);
            if (!prepared.TryGetValue(sql, out var command)) prepared[sql] = command = db.Command(sql, transaction.GetDbTransaction(), parameters);
            else foreach (var (name, value) in parameters) command.Parameters[name].Value = Stored(command, value);
            return new Statement(command, Kept: true);
        }

        private DbCommand Command(string sql, DbTransaction? transaction, (string Name, object? Value)[] parameters)
        {
            var command = db.Database.GetDbConnection().CreateCommand();
            command.CommandText = sql;
            command.Transaction = transaction;
            foreach (var (name, value) in parameters)
            {
                var parameter = command.CreateParameter();
                parameter.ParameterName = name;
                parameter.Value = Stored(command, value);
                command.Parameters.Add(parameter);
            }

            return command;
        }
    }

    private static object Stored(DbCommand command, object? value) =>
        command is SqliteCommand && value is DateTimeOffset time ? time.UtcTicks : value ?? DBNull.Value;

    private readonly record struct Statement(DbCommand Command, bool Kept) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Kept ? default : Command.DisposeAsync();
    }

    extension(DbDataReader reader)
    {
        public DateTimeOffset Time(int column) =>
            reader is SqliteDataReader ? new DateTimeOffset(reader.GetInt64(column), TimeSpan.Zero) : reader.GetFieldValue<DateTimeOffset>(column);

        public DateTimeOffset? TimeOrNull(int column) => reader.IsDBNull(column) ? null : reader.Time(column);

        public string? TextOrNull(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }
}
