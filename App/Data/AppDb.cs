using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>
/// The one database, whatever its provider.
/// A slice brings its own tables as an <see cref="IEntityTypeConfiguration{TEntity}"/> beside its entity; this only finds them.
/// </summary>
public abstract class AppDb(DbContextOptions options)
    : IdentityDbContext<User, IdentityRole<Guid>, Guid>(options), IDataProtectionKeyContext
{
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <summary>Known by the type: asking EF Core costs 3 µs, which every write would pay.</summary>
    internal bool IsSqlite => this is SqliteDb;

    private Action? _onDisk;

    /// <summary>Runs once what this context commits is on the disk, before whoever commits it goes on; not where the disk refuses.</summary>
    internal void WhenOnDisk(Action run) => _onDisk += run;

    internal void IsOnDisk() => Interlocked.Exchange(ref _onDisk, null)?.Invoke();

    protected override void OnModelCreating(ModelBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        base.OnModelCreating(builder);
        builder.Entity<User>(user =>
        {
            user.Property(u => u.Name).HasMaxLength(200);
            user.Property(u => u.Language).HasMaxLength(20);
            // One account per address: Identity's own index isn't unique.
            user.HasIndex(u => u.NormalizedEmail).HasDatabaseName("EmailIndex").IsUnique();
            // People are looked for by how their name begins. On SQLite its migration makes it without regard to case, which the model can't say.
            user.HasIndex(u => new { u.Name, u.NormalizedEmail }).HasDatabaseName("NameIndex");
        });
        builder.ApplyConfigurationsFromAssembly(typeof(AppDb).Assembly);
    }
}

/// <summary>The embedded default.</summary>
public sealed class SqliteDb(DbContextOptions<SqliteDb> options) : AppDb(options)
{
    // SQLite has no date type: as text, EF Core can neither order nor compare it (it throws). Ticks in UTC can do both.
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        ArgumentNullException.ThrowIfNull(configurationBuilder);
        configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcTicks>();
    }
}

/// <summary>The production database.</summary>
public sealed class SqlServerDb(DbContextOptions<SqlServerDb> options) : AppDb(options)
{
    protected override void OnModelCreating(ModelBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        base.OnModelCreating(builder);
        // The keys of addresses are folded by us; the server's own idea of sameness (width, trailing spaces) must not add to it.
        builder.Entity<User>(user =>
        {
            user.Property(u => u.NormalizedEmail).UseCollation("Latin1_General_100_BIN2");
            user.Property(u => u.NormalizedUserName).UseCollation("Latin1_General_100_BIN2");
        });
    }
}
