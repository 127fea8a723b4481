/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of commands, their arguments and their results: one description
 * from which arguments are checked and query-qmp-schema is made.
 *
 * A type is written as a word: int, number, str, bool, any, the name of another, or
 * one of these in brackets, for an array: [str].  Members of an object are
 * written as name:type, with blanks between them, and name?:type if they may
 * be absent.  "..." at the end: others may be there, for the command to look at.
 */
#ifndef VIREO_CONTROL_SCHEMA_H
#define VIREO_CONTROL_SCHEMA_H

#include <jansson.h>

struct error;
struct qmp_command;

enum schema_meta { SCHEMA_OBJECT, SCHEMA_ENUM, SCHEMA_ALTERNATE };

struct schema_type {
	const char *name; /* NULL ends a table */
	enum schema_meta meta;
	const char *text; /* members; values; types */
	/*
	 * OBJECT: more members, by the value of the member @tag, as
	 * value:type; values that are not there have none.
	 */
	const char *tag;
	const char *variants;
};

struct schema_event {
	const char *name;
	const char *text; /* members of its data, or NULL */
};

/* schema_types.c */
extern const struct schema_type schema_types[];
extern const struct schema_event schema_events[];

/*
 * Whether @args is what members @text say, or the object type that "@Name"
 * names; -EINVAL with what QEMU would say.
 */
int schema_check(const char *text, json_t *args, struct error *err);

/* SchemaInfo of all commands, events and the types that they use; or NULL. */
json_t *schema_introspect(const struct qmp_command *commands);

#endif
