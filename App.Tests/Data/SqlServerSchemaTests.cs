using System.Globalization;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

/// <summary>What SQL Server would refuse of the schema, or warn of and refuse with the first long value, though its parser and EF Core take it.</summary>
public sealed class SqlServerSchemaTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private const int LongestName = 128;
    private const int LongestClusteredKey = 900;
    private const int LongestKey = 1700;

    [Fact]
    public void The_schema_is_one_that_SQL_Server_makes()
    {
        using var scope = shared.App.Services.CreateScope();
        // Identity's own, which the server makes with a warning: AddPasskey lets nothing longer in.
        Assert.Equal(["PK_AspNetUserPasskeys: 1024 bytes of key, at most 900"], Faults(scope.ServiceProvider.GetRequiredService<SqlServerDb>()));
    }

    [Fact]
    public void One_that_it_refuses_is_found()
    {
        using var db = new Refused(new DbContextOptionsBuilder<Refused>().UseSqlServer("Server=nowhere").ConfigureWarnings(warnings => warnings.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)).Options);
        Assert.Equal(
            [
                "Child and what is deleted with it: two ways from Owner (1785)",
                "IX_Owner_Long: 1702 bytes of key, at most 1700",
                "IX_Owner_Nick: 1:42 Incorrect syntax near 'LIMIT'.",
                "IX_Owner_Text: nvarchar(max) in a key",
                "PK_Wide: 902 bytes of key, at most 900",
                $"{new string('x', 129)}: 129 characters, at most 128",
            ],
            Faults(db).Order(StringComparer.Ordinal));
    }

    private static List<string> Faults(DbContext db)
    {
        var tables = db.GetService<IDesignTimeModel>().Model.GetRelationalModel().Tables.ToList();
        return [.. tables.SelectMany(table => Names(table).Where(name => name.Length > LongestName).Select(name => $"{name}: {name.Length} characters, at most {LongestName}")
            .Concat(table.PrimaryKey is { } key ? Size(key.Name, key.Columns, LongestClusteredKey) : [table.Name + " has no key"])
            .Concat(table.Indexes.SelectMany(index => Size(index.Name, index.Columns, LongestKey)))
            .Concat(table.Indexes.SelectMany(Filter))
            .Concat(Ways(table, []).GroupBy(to => to).Where(ways => ways.Count() > 1 || ways.Key == table.Name).Select(ways => $"{ways.Key} and what is deleted with it: two ways from {table.Name} (1785)")))];
    }

    private static IEnumerable<string> Names(ITable table) =>
        [table.Name, .. table.Columns.Select(c => c.Name), .. table.Indexes.Select(i => i.Name), .. table.UniqueConstraints.Select(c => c.Name), .. table.ForeignKeyConstraints.Select(c => c.Name)];

    private static IEnumerable<string> Size(string name, IEnumerable<IColumnBase> columns, int most)
    {
        var sizes = columns.Select(column => (column.StoreType, Bytes: Bytes(column.StoreType))).ToList();
        return sizes.Where(s => s.Bytes is null).Select(s => $"{name}: {s.StoreType} in a key").Concat(
            sizes.Sum(s => s.Bytes) is { } sum && sum > most ? [$"{name}: {sum} bytes of key, at most {most}"] : []);
    }

    private static int? Bytes(string type)
    {
        var parts = type.Split('(', ')');
        if (parts.Length > 1 && !int.TryParse(parts[1], CultureInfo.InvariantCulture, out _)) return null;
        return parts[0] switch
        {
            "bit" => 1,
            "int" => 4,
            "bigint" or "datetime2" => 8,
            "datetimeoffset" => 10,
            "uniqueidentifier" => 16,
            "varchar" or "varbinary" => int.Parse(parts[1], CultureInfo.InvariantCulture),
            "nvarchar" => 2 * int.Parse(parts[1], CultureInfo.InvariantCulture),
            _ => null,
        };
    }

    private static IEnumerable<string> Filter(ITableIndex index)
    {
        if (index.Filter is null) return [];
        SqlServerText.Parse($"CREATE INDEX i ON t (c) WHERE {index.Filter}", out var faults);
        return faults.Select(fault => $"{index.Name}: {fault}");
    }

    /// <summary>Where a delete of this table's rows gets to, once for each way there.</summary>
    private static IEnumerable<string> Ways(ITable table, IEnumerable<ITable> behind) => behind.Contains(table) ? [] : table.ReferencingForeignKeyConstraints
        .Where(key => key.OnDeleteAction is ReferentialAction.Cascade or ReferentialAction.SetNull or ReferentialAction.SetDefault)
        .SelectMany(key => Ways(key.Table, [.. behind, table]).Prepend(key.Table.Name));

    private sealed class Refused(DbContextOptions<Refused> options) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity("Owner", owner =>
            {
                owner.Property<int>("Id");
                owner.Property<string>("Text").HasColumnType("nvarchar(max)");
                owner.Property<string>("Long").HasMaxLength(851);
                owner.Property<string>("Nick").HasMaxLength(20);
                owner.HasIndex("Text");
                owner.HasIndex("Long");
                owner.HasIndex("Nick").HasFilter("Nick = 'a' LIMIT 1");
            });
            modelBuilder.Entity("Wide", wide =>
            {
                wide.Property<string>("Id").HasMaxLength(451);
                wide.ToTable("Wide");
            });
            modelBuilder.Entity("Far", far =>
            {
                far.Property<int>("Id");
                far.HasKey("Id").HasName("PK_Far");
                far.ToTable(new string('x', LongestName + 1));
            });
            modelBuilder.Entity("Between", between =>
            {
                between.Property<int>("Id");
                between.Property<int>("OwnerId");
                between.HasOne("Owner", null).WithMany().HasForeignKey("OwnerId").OnDelete(DeleteBehavior.Cascade);
            });
            modelBuilder.Entity("Child", child =>
            {
                child.Property<int>("Id");
                child.Property<int>("OwnerId");
                child.Property<int>("BetweenId");
                child.HasOne("Owner", null).WithMany().HasForeignKey("OwnerId").OnDelete(DeleteBehavior.Cascade);
                child.HasOne("Between", null).WithMany().HasForeignKey("BetweenId").OnDelete(DeleteBehavior.Cascade);
            });
        }
    }
}
