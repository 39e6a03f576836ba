namespace App.Frame;

/// <summary>Whether the lab, whose slice stands above and registers this, is there to be led to.</summary>
internal sealed record LabDoor(bool IsOpen);
