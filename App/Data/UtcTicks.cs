using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace App.Data;

/// <summary>An instant as a whole number: 100 ns ticks since year 1, UTC.</summary>
internal sealed class UtcTicks() : ValueConverter<DateTimeOffset, long>(
    time => time.UtcTicks,
    ticks => new DateTimeOffset(ticks, TimeSpan.Zero));
