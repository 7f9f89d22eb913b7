/** What an import needs, where it is not the whole command that is tested. */
import type { ImportDatabase } from "../../schema/django/database.ts";
import type { UserContext } from "../../schema/django/import-users.ts";
import { decideRole, NO_MEMBERSHIP } from "../../schema/django/roles.ts";
import type { DjangoUser } from "../../schema/django/tables.ts";
import { decideUser, type UserDecision } from "../../schema/django/users.ts";

/** A user whose export has no groups, on a service with no roles of its own. */
export const rightsOf = (user: DjangoUser) => decideRole(user, NO_MEMBERSHIP, new Set());
export const decideAlone = (user: DjangoUser): UserDecision => decideUser(user, rightsOf(user));

/** For a file that has nobody twice. */
export const ALONE: UserContext = { see: () => null, rightsOf };

/** The database that a binding is. */
export function bindingDatabase(db: D1Database): ImportDatabase {
  return {
    async batch<Row>(statements: Parameters<ImportDatabase["batch"]>[0]) {
      const answers = await db.batch<Row>(
        statements.map(({ sql, params }) => db.prepare(sql).bind(...params)),
      );
      return answers.map(({ results }) => results);
    },
  };
}
