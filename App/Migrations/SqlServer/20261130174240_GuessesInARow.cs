using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class GuessesInARow : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<int>(
                name: "InARow",
                table: "GuessLimits",
                type: "int",
                nullable: false,
                defaultValue: 0);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "InARow",
                table: "GuessLimits");
        }
    }
}
