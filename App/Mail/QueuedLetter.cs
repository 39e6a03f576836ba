using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Mail;

/// <summary>A letter in the box. Everything in it that is about somebody is encrypted, and erased once it has been sent.</summary>
internal sealed class QueuedLetter : IEntityTypeConfiguration<QueuedLetter>
{
    public Guid Id { get; set; }

    /// <summary>The kind of draft; null once the letter is written.</summary>
    public string? Draft { get; set; }

    /// <summary>A keyed hash of whom the draft is about, to count by.</summary>
    public string? CountedAs { get; set; }

    public Guid? UserId { get; set; }

    /// <summary>The language it was asked for in; that of whom it is for comes first.</summary>
    public string Culture { get; set; } = "";

    /// <summary>The letter, or what its draft is written from, under the master key; null once sent or given up.</summary>
    public byte[]? Contents { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>When it may be taken next. Whoever takes it moves this on, and by that has it to themselves until then. Null when there is nothing more to do.</summary>
    public DateTimeOffset? DueAt { get; set; }

    public DateTimeOffset GiveUpAt { get; set; }
    public int Attempts { get; set; }
    public DateTimeOffset? SentAt { get; set; }

    /// <summary>Why the last attempt failed, without anything about the person.</summary>
    public string? Fault { get; set; }

    void IEntityTypeConfiguration<QueuedLetter>.Configure(EntityTypeBuilder<QueuedLetter> builder)
    {
        builder.ToTable("Outbox");
        builder.Property(l => l.Id).ValueGeneratedNever();
        builder.Property(l => l.Draft).HasMaxLength(40);
        builder.Property(l => l.CountedAs).HasMaxLength(43).IsUnicode(false);
        builder.Property(l => l.Culture).HasMaxLength(20);
        builder.Property(l => l.Fault).HasMaxLength(100);
        builder.HasIndex(l => l.DueAt);
        builder.HasIndex(l => new { l.CountedAs, l.CreatedAt });
        builder.HasIndex(l => l.UserId);
    }
}

internal static class OutboxTable
{
    extension(AppDb db)
    {
        public DbSet<QueuedLetter> Outbox => db.Set<QueuedLetter>();
    }
}
