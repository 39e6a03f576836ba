namespace App.Ui;

/// <summary>What people read where the product names itself.</summary>
public sealed class Brand
{
    /// <summary>The name in the top bar, in titles and in sentences. 1 to 40 characters.</summary>
    public string Name { get; set; } = "Gatehouse";
}
