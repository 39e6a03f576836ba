using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.Sqlite
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
                type: "INTEGER",
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
