using System.Collections;
using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Linq.Expressions;
using System.Reflection;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Query;
using Microsoft.EntityFrameworkCore.Query.Internal;
using Microsoft.EntityFrameworkCore.Storage;

namespace App.Tests.Data;

/// <summary>
/// A query that was put to SQLite, translated for SQL Server by EF Core's own provider, where none is: it is run on a context whose connection
/// never opens and whose commands find nothing. SQL Server's parser looks at what the command would have said.
/// </summary>
internal static class SqlServerTwin
{
    // An app of the tests compiles each query anew; one look at each is enough.
    private static readonly ConcurrentDictionary<string, Lazy<string?>> Known = new(StringComparer.Ordinal);

    // Each app of the tests has made services for EF Core, too: that there are many is no mistake here.
    private static readonly DbContextOptions<SqlServerDb> Options = new DbContextOptionsBuilder<SqlServerDb>()
        .UseSqlServer("Server=nowhere").ConfigureWarnings(warnings => warnings.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).AddInterceptors(Nowhere.Instance).Options;

    private static readonly MethodInfo Compile = typeof(IDatabase).GetMethod(nameof(IDatabase.CompileQuery))!;

    /// <param name="text">The query as EF Core prints it.</param>
    /// <returns>Why it can't be translated, or what SQL Server refuses of the translation; null where it is right.</returns>
    public static string? FaultOf(Expression query, string text) => Known.GetOrAdd(text, _ => new Lazy<string?>(() => Translate(query))).Value;

    /// <summary>The faults of what that sends, for what is done on SQL Server alone.</summary>
    public static async Task<string?> FaultOfAsync(Func<SqlServerDb, Task> run)
    {
        await using var db = new SqlServerDb(Options);
        var sent = Nowhere.Sent.Value = [];
        await run(db);
        return FaultOf(sent);
    }

    private static string? Translate(Expression query)
    {
        using var db = new SqlServerDb(Options);
        var rewrite = new Rewrite(db);
        try
        {
            var rewritten = rewrite.Visit(query);
            if (rewrite.IsSqlitesText) return null;
            var rows = typeof(IQueryable).IsAssignableFrom(rewritten.Type) ? typeof(IEnumerable<>).MakeGenericType(rewritten.Type.GetGenericArguments()[0]) : rewritten.Type;
            var context = db.GetService<IQueryContextFactory>().Create();
            foreach (var (name, type) in rewrite.Parameters) context.Parameters[name] = ValueOf(type);
            var run = (Delegate)Compile.MakeGenericMethod(rows).Invoke(db.GetService<IDatabase>(), [rewritten, false])!;
            return Run(() =>
            {
                if (run.DynamicInvoke(context) is IEnumerable found and not string) _ = found.Cast<object?>().Count();
            });
        }
        catch (TargetInvocationException e)
        {
            return e.InnerException!.Message;
        }
    }

    /// <summary>The faults of what is sent to a server that finds nothing.</summary>
    private static string? Run(Action run)
    {
        var sent = Nowhere.Sent.Value = [];
        try
        {
            run();
        }
        catch (TargetInvocationException) when (sent.Count > 0)
        {
            // It wanted a row.
        }

        return FaultOf(sent);
    }

    private static string? FaultOf(List<string> sent)
    {
        if (sent.Count == 0) return "nothing was sent";
        var faults = sent.SelectMany(text =>
        {
            SqlServerText.Parse(text, out var errors);
            return errors.Select(error => $"{error} in {text}");
        }).ToList();
        return faults.Count == 0 ? null : string.Join('\n', faults);
    }

    // Neither null, which makes a query another, nor empty.
    private static object? ValueOf(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string)) return "a";
        if (type.IsValueType) return Activator.CreateInstance(type);
        var element = type.IsArray ? type.GetElementType() : type.GetInterfaces().Append(type).FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0];
        if (element is null) return null;
        var one = Array.CreateInstance(element, 1);
        one.SetValue(ValueOf(element), 0);
        return type.IsInstanceOfType(one) ? one : Activator.CreateInstance(type, one);
    }

    /// <summary>The same of the tables of that context; and which parameters it has.</summary>
    private sealed class Rewrite(SqlServerDb db) : ExpressionVisitor
    {
        public Dictionary<string, Type> Parameters { get; } = new(StringComparer.Ordinal);

        /// <summary>Written by hand, and so for SQLite alone.</summary>
        public bool IsSqlitesText { get; private set; }

        protected override Expression VisitExtension(Expression node)
        {
            switch (node)
            {
                case FromSqlQueryRootExpression or SqlQueryRootExpression:
                    IsSqlitesText = true;
                    return node;
                case EntityQueryRootExpression root:
                    return new EntityQueryRootExpression(db.Model.FindEntityType(root.EntityType.Name)!);
                case QueryParameterExpression parameter:
                    Parameters[parameter.Name] = parameter.Type;
                    return node;
                default:
                    return base.VisitExtension(node);
            }
        }
    }

    private sealed class Nowhere : DbCommandInterceptor, IDbConnectionInterceptor
    {
        public static readonly Nowhere Instance = new();

        public static readonly AsyncLocal<List<string>> Sent = new();

        public InterceptionResult ConnectionOpening(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) => InterceptionResult.Suppress();

        public InterceptionResult ConnectionClosing(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) => InterceptionResult.Suppress();

        public ValueTask<InterceptionResult> ConnectionOpeningAsync(DbConnection connection, ConnectionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default) =>
            new(InterceptionResult.Suppress());

        public ValueTask<InterceptionResult> ConnectionClosingAsync(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) => new(InterceptionResult.Suppress());

        public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default) =>
            new(ReaderExecuting(command, eventData, result));

        public override InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result)
        {
            Sent.Value!.Add(command.CommandText);
            return InterceptionResult<DbDataReader>.SuppressWithResult(new DataTable().CreateDataReader());
        }

        public override InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<int> result)
        {
            Sent.Value!.Add(command.CommandText);
            return InterceptionResult<int>.SuppressWithResult(0);
        }
    }
}
