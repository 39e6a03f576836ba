using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class UserNames : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // What the search folds, the index must: EF Core can say so of a column only, which would copy the whole table.
            migrationBuilder.Sql("""CREATE INDEX "NameIndex" ON "AspNetUsers" ("Name" COLLATE NOCASE, "NormalizedEmail")""");
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
