using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Shared;

/// <summary>What people read as the name of the product (section <c>Brand</c>).</summary>
public sealed class Brand
{
    [Required, MaxLength(40)]
    [Description("The name that people read on pages, in mails and in authenticator apps.")]
    public string Name { get; set; } = "Gatehouse";
}
