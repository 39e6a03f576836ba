using System.Collections.Concurrent;
using System.Globalization;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace App.Tests.Data;

/// <summary>
/// One statement as SQL Server 2019 reads it, by its own parser, and as much of its types as it takes to see what SQL Server refuses or does at a
/// price where SQLite converts. What these statements don't use isn't looked at, and is a fault until it is.
/// </summary>
internal sealed class SqlServerText
{
    private static readonly ConcurrentDictionary<string, SqlServerText> Known = new(StringComparer.Ordinal);

    private static readonly Dictionary<Type, string[]> ReadAs = new()
    {
        [typeof(int)] = ["int"],
        [typeof(long)] = ["bigint"],
        [typeof(bool)] = ["bit"],
        [typeof(string)] = ["nvarchar", "varchar"],
        [typeof(Guid)] = ["uniqueidentifier"],
        [typeof(DateTimeOffset)] = ["datetimeoffset"],
        [typeof(byte[])] = ["varbinary"],
    };

    private static Dictionary<string, Dictionary<string, string>>? _tables;

    private readonly HashSet<string> _faults = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<int, string?> _read = new();
    private readonly Dictionary<string, List<(string Type, bool Compared)>> _uses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<string, string>> _schema;

    private SqlServerText(string text, Dictionary<string, Dictionary<string, string>> schema)
    {
        _schema = schema;
        var script = Parse(text, out var errors);
        _faults.UnionWith(errors);
        if (errors.Count > 0) return;
        var statements = ((TSqlScript)script).Batches.SelectMany(batch => batch.Statements).ToList();
        if (statements.Count != 1) _faults.Add($"{statements.Count} statements");
        else Read(statements[0]);
        var variables = new Variables();
        script.Accept(variables);
        foreach (var name in variables.Names.Where(name => !_uses.ContainsKey(name))) _faults.Add($"{name} is nowhere beside a column");
    }

    public IEnumerable<string> Faults => _faults.Concat(_read.Values.OfType<string>());

    /// <summary>Whether each column has been read: until then it is worth a look how.</summary>
    public bool IsRead => _read.Count >= Selected.Count;

    /// <summary>The types of what is selected; null where it can't be said.</summary>
    public IReadOnlyList<string?> Selected { get; private set; } = [];

    public static SqlServerText Of(string text, TestApp app) => Of(text, app.Services);

    public static SqlServerText Of(string text, IServiceProvider services) => Known.GetOrAdd(text, sql => new SqlServerText(sql, _tables ??= Tables(services)));

    public static TSqlFragment Parse(string text, out IReadOnlyCollection<string> errors)
    {
        var script = new TSql150Parser(initialQuotedIdentifiers: true).Parse(new StringReader(text), out var found);
        errors = [.. found.Select(e => string.Create(CultureInfo.InvariantCulture, $"{e.Line}:{e.Column} {e.Message}"))];
        return script;
    }

    /// <summary>What is wrong with such a value, sent with the type that the driver makes of it.</summary>
    public IEnumerable<string> FaultsOf(string parameter, object? value)
    {
        foreach (var (type, compared) in _uses.GetValueOrDefault(parameter, []))
        {
            var fits = (value, type) switch
            {
                (null or DBNull, _) => type != "varbinary", // sent as nvarchar, which isn't converted to that
                (string, "varchar") => !compared, // sent as nvarchar: each row's column is converted to it, and no index is of use
                (string, "nvarchar") or (int, "int" or "bigint") or (bool, "bit") or (Guid, "uniqueidentifier") or (byte[], "varbinary") => true,
                (long, "bigint" or "datetimeoffset") => true, // SQLite's ticks
                _ => false,
            };
            if (!fits) yield return $"{parameter} is {value?.GetType().Name ?? "null"} {(compared ? "compared with" : "written to")} {type}";
        }
    }

    /// <summary>Notes as what a column is read, since SQL Server's driver converts nothing.</summary>
    public void Read(int column, Type type)
    {
        var fits = Array.IndexOf(ReadAs[type], Selected[column]) >= 0;
        _read[column] = fits ? null : $"column {column}, {Selected[column] ?? "of no known type"}, is read as {type.Name}";
    }

    private static Dictionary<string, Dictionary<string, string>> Tables(IServiceProvider services)
    {
        using var scope = services.CreateScope();
        return scope.ServiceProvider.GetRequiredService<SqlServerDb>().Model.GetRelationalModel().Tables.ToDictionary(
            table => table.Name,
            table => table.Columns.ToDictionary(column => column.Name, column => column.StoreType.Split('(')[0], StringComparer.Ordinal),
            StringComparer.Ordinal);
    }

    private void Read(TSqlStatement statement)
    {
        switch (statement)
        {
            case SelectStatement { QueryExpression: QuerySpecification query }:
                Selected = Types(query, null);
                break;
            case InsertStatement { InsertSpecification: { Target: NamedTableReference target } insert }:
                var into = new Scope([Named(target)], null);
                var columns = insert.Columns.Select(column => TypeOf(column, into) ?? "").ToList();
                if (insert.InsertSource is ValuesInsertSource { RowValues: [var row] }) Assign(columns, row.ColumnValues, into);
                else if (insert.InsertSource is SelectInsertSource { Select: QuerySpecification query }) Types(query, null, columns);
                else Unknown(insert.InsertSource);
                break;
            case UpdateStatement { UpdateSpecification: { Target: NamedTableReference target } update }:
                var scope = new Scope([Named(target)], null);
                foreach (var set in update.SetClauses.Cast<AssignmentSetClause>()) Assign([TypeOf(set.Column, scope) ?? ""], [set.NewValue], scope);
                if (update.WhereClause is { } which) Read(which.SearchCondition, scope);
                break;
            case DeleteStatement { DeleteSpecification: { Target: NamedTableReference target } delete }:
                if (delete.WhereClause is { } where) Read(where.SearchCondition, new Scope([Named(target)], null));
                break;
            default:
                Unknown(statement);
                break;
        }
    }

    private List<string?> Types(QuerySpecification query, Scope? outer, IReadOnlyList<string>? assigned = null)
    {
        var tables = new List<(string, Dictionary<string, string>)>();
        var scope = new Scope(tables, outer);
        foreach (var table in query.FromClause?.TableReferences ?? []) From(table);
        if (query.WhereClause is { } where) Read(where.SearchCondition, scope);
        foreach (var by in query.OrderByClause?.OrderByElements ?? []) TypeOf(by.Expression, scope);
        if (query.GroupByClause is { } group) Unknown(group);
        foreach (var other in query.SelectElements.Where(element => element is not SelectScalarExpression { ColumnName: null })) Unknown(other);
        var selected = query.SelectElements.OfType<SelectScalarExpression>().Select(element => element.Expression).ToList();
        if (assigned is not null) Assign(assigned, selected, scope);
        return [.. selected.Select(expression => TypeOf(expression, scope))];

        void From(TableReference table)
        {
            if (table is NamedTableReference named)
            {
                tables.Add(Named(named));
            }
            else if (table is QualifiedJoin join)
            {
                From(join.FirstTableReference);
                From(join.SecondTableReference);
                Read(join.SearchCondition, scope);
            }
            else
            {
                Unknown(table);
            }
        }
    }

    private void Read(BooleanExpression condition, Scope scope)
    {
        switch (condition)
        {
            case BooleanBinaryExpression both:
                Read(both.FirstExpression, scope);
                Read(both.SecondExpression, scope);
                break;
            case BooleanParenthesisExpression inner:
                Read(inner.Expression, scope);
                break;
            case BooleanNotExpression not:
                Read(not.Expression, scope);
                break;
            case BooleanIsNullExpression isNull:
                TypeOf(isNull.Expression, scope);
                break;
            case ExistsPredicate { Subquery.QueryExpression: QuerySpecification query }:
                Types(query, scope);
                break;
            case BooleanComparisonExpression compared:
                var (first, second) = (TypeOf(compared.FirstExpression, scope), TypeOf(compared.SecondExpression, scope));
                Use(compared.FirstExpression, second, compared: true);
                Use(compared.SecondExpression, first, compared: true);
                Demand(first, second);
                break;
            default:
                Unknown(condition);
                break;
        }
    }

    private string? TypeOf(ScalarExpression expression, Scope scope)
    {
        switch (expression)
        {
            case ColumnReferenceExpression { ColumnType: ColumnType.Regular, MultiPartIdentifier.Identifiers: var name }:
                if (scope.Find(name.Count > 1 ? name[^2].Value : null, name[^1].Value) is { } type) return type;
                _faults.Add($"no column {string.Join('.', name.Select(n => n.Value))}");
                return null;
            case VariableReference or NullLiteral:
                return null;
            case IntegerLiteral:
                return "int";
            case ParenthesisExpression inner:
                return TypeOf(inner.Expression, scope);
            case BinaryExpression both:
                return TypeOf(both.FirstExpression, scope) ?? TypeOf(both.SecondExpression, scope);
            case ScalarSubquery { QueryExpression: QuerySpecification query }:
                return Types(query, scope)[0];
            case SearchedCaseExpression { WhenClauses: [var when] } choice:
                Read(when.WhenExpression, scope);
                var (then, or) = (TypeOf(when.ThenExpression, scope), TypeOf(choice.ElseExpression, scope));
                Demand(then, or);
                return then;
            case FunctionCall { FunctionName.Value: "MAX" or "MIN", Parameters: [var of] }:
                return TypeOf(of, scope);
            case CastCall { DataType: SqlDataTypeReference { SqlDataTypeOption: SqlDataTypeOption.VarChar }, Parameter: VariableReference variable }:
                Use(variable, "nvarchar", compared: false);
                return "varchar";
            default:
                Unknown(expression);
                return null;
        }
    }

    private void Assign(IReadOnlyList<string> columns, IList<ScalarExpression> values, Scope scope)
    {
        if (columns.Count != values.Count) _faults.Add($"{values.Count} values for {columns.Count} columns");
        foreach (var (column, value) in columns.Zip(values))
        {
            Use(value, column, compared: false);
            Demand(column, TypeOf(value, scope));
        }
    }

    private void Use(ScalarExpression expression, string? type, bool compared)
    {
        if (type is not null && expression is VariableReference variable) (_uses.TryGetValue(variable.Name, out var uses) ? uses : _uses[variable.Name] = []).Add((type, compared));
        else if (expression is BinaryExpression both) foreach (var part in new[] { both.FirstExpression, both.SecondExpression }) Use(part, type, compared);
    }

    private void Demand(string? one, string? other)
    {
        if (one is not null && other is not null && one != other && (one, other) is not (("bigint", "int") or ("int", "bigint"))) _faults.Add($"{one} beside {other}");
    }

    private void Unknown(TSqlFragment fragment) =>
        _faults.Add($"{fragment.GetType().Name} isn't known: {string.Concat(fragment.ScriptTokenStream.Skip(fragment.FirstTokenIndex).Take(fragment.LastTokenIndex - fragment.FirstTokenIndex + 1).Select(t => t.Text))}");

    private (string Name, Dictionary<string, string> Columns) Named(NamedTableReference table)
    {
        var name = table.SchemaObject.BaseIdentifier.Value;
        if (_schema.TryGetValue(name, out var columns)) return (table.Alias?.Value ?? name, columns);
        _faults.Add("no table " + name);
        return (name, []);
    }

    private sealed record Scope(IReadOnlyList<(string Name, Dictionary<string, string> Columns)> Tables, Scope? Outer)
    {
        public string? Find(string? table, string column) => Tables
            .Where(t => table is null || t.Name == table).Select(t => t.Columns.GetValueOrDefault(column)).FirstOrDefault(type => type is not null) ?? Outer?.Find(table, column);
    }

    private sealed class Variables : TSqlFragmentVisitor
    {
        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

        public override void Visit(VariableReference node) => Names.Add(node.Name);
    }
}
