using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class UserNames : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "NameIndex",
                table: "AspNetUsers",
                columns: new[] { "Name", "NormalizedEmail" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "NameIndex",
                table: "AspNetUsers");
        }
    }
}
