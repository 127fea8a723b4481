// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configurations as JSON: what is written is read as the same, and the schema
 * accepts what the program does and nothing else.
 */
#include <errno.h>
#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_unit.h"
#include "config.h"
#include "error.h"
#include "options.h"

/* The result of options_load_json() on @text; the defaults are in @cfg. */
static int load(struct config *cfg, const char *text, struct error *err)
{
	char path[] = "/tmp/schema-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(options_defaults(cfg, err), 0);
	rc = options_load_json(cfg, path, err);
	unlink(path);
	return rc;
}

/* ---- as much of a validator as our schema needs ---- */

static bool valid(json_t *schema, json_t *value);

static bool has_type(const char *type, json_t *value)
{
	return !strcmp(type, "object")	? json_is_object(value) :
	       !strcmp(type, "array")	? json_is_array(value) :
	       !strcmp(type, "string")	? json_is_string(value) :
	       !strcmp(type, "integer") ? json_is_integer(value) :
	       !strcmp(type, "boolean") ? json_is_boolean(value) :
					  false;
}

static bool type_matches(json_t *type, json_t *value)
{
	json_t *one;
	size_t i;

	if (json_is_string(type))
		return has_type(json_string_value(type), value);
	json_array_foreach(type, i, one) {
		if (has_type(json_string_value(one), value))
			return true;
	}
	return false;
}

static bool pattern_matches(const char *pattern, const char *text)
{
	regex_t re;
	bool ok;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ok = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return ok;
}

static bool members_valid(json_t *schema, json_t *object)
{
	json_t *members = json_object_get(schema, "properties"), *value, *name;
	const char *key;
	size_t i;

	if (!members)
		return true;
	/* Without it, a misspelt key would be let through. */
	assert_true(
		json_is_false(json_object_get(schema, "additionalProperties")));
	json_object_foreach(object, key, value) {
		if (!json_object_get(members, key) ||
		    !valid(json_object_get(members, key), value))
			return false;
	}
	json_array_foreach(json_object_get(schema, "required"), i, name) {
		if (!json_object_get(object, json_string_value(name)))
			return false;
	}
	return true;
}

static bool number_valid(json_t *schema, json_int_t value)
{
	json_t *rule;

	rule = json_object_get(schema, "minimum");
	if (rule && value < json_integer_value(rule))
		return false;
	rule = json_object_get(schema, "maximum");
	if (rule && value > json_integer_value(rule))
		return false;
	rule = json_object_get(schema, "multipleOf");
	return !rule || value % json_integer_value(rule) == 0;
}

static bool string_valid(json_t *schema, const char *text)
{
	json_t *rule;

	rule = json_object_get(schema, "minLength");
	if (rule && (json_int_t)strlen(text) < json_integer_value(rule))
		return false;
	rule = json_object_get(schema, "maxLength");
	if (rule && (json_int_t)strlen(text) > json_integer_value(rule))
		return false;
	rule = json_object_get(schema, "pattern");
	return !rule || pattern_matches(json_string_value(rule), text);
}

static bool array_valid(json_t *schema, json_t *array)
{
	json_t *rule, *item;
	size_t i;

	rule = json_object_get(schema, "maxItems");
	if (rule &&
	    (json_int_t)json_array_size(array) > json_integer_value(rule))
		return false;
	rule = json_object_get(schema, "items");
	json_array_foreach(array, i, item) {
		if (rule && !valid(rule, item))
			return false;
	}
	return true;
}

static bool one_of(json_t *list, json_t *value, bool schemas)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (schemas ? valid(item, value) : json_equal(item, value))
			return true;
	}
	return false;
}

static bool valid(json_t *schema, json_t *value)
{
	json_t *rule;

	rule = json_object_get(schema, "type");
	if (rule && !type_matches(rule, value))
		return false;
	rule = json_object_get(schema, "enum");
	if (rule && !one_of(rule, value, false))
		return false;
	rule = json_object_get(schema, "anyOf");
	if (rule && !one_of(rule, value, true))
		return false;
	if (json_is_object(value))
		return members_valid(schema, value);
	if (json_is_array(value))
		return array_valid(schema, value);
	if (json_is_integer(value))
		return number_valid(schema, json_integer_value(value));
	if (json_is_string(value))
		return string_valid(schema, json_string_value(value));
	return true;
}

/* ---- tests ---- */

static const char *const accepted[] = {
	"{}",
	"{ \"$schema\": \"vm.schema.json\" }",
	"{ \"kernel\": \"k\", \"append\": \"\", \"name\": \"a b\" }",
	"{ \"name\": \"1234567890123456789012345678901\" }",
	"{ \"cpus\": 1 }",
	"{ \"cpus\": 64 }",
	"{ \"cpus\": \"2\" }",
	"{ \"memory\": 64 }",
	"{ \"memory\": \"1G\" }",
	"{ \"memory\": \"64m\" }",
	"{ \"memory\": { \"size\": \"4096\", \"prefault\": true } }",
	"{ \"memory\": { \"prefault\": \"off\" } }",
	"{ \"console\": \"pty\" }",
	"{ \"console\": \"file:/x y\" }",
	"{ \"console\": \"unix:/x\" }",
	"{ \"console\": \"socket\" }",
	"{ \"scsi\": [ \"a\", { \"path\": \"b\", \"cache\": \"none\" } ] }",
	"{ \"cdrom\": [ \"none\", \"a.iso\" ] }",
	"{ \"disk\": \"a\" }",
	"{ \"disk\": { \"path\": \"a\", \"ro\": true } }",
	"{ \"disk\": [] }",
	"{ \"disk\": [ \"a\", { \"path\": \"b\", \"serial\": \"S\" } ] }",
	"{ \"rng\": {} }",
	"{ \"rng\": \"/dev/random\" }",
	"{ \"module\": \"off\", \"log\": \"debug\" }",
};

static const char *const refused[] = {
	"[]",
	"{ \"bogus\": 1 }",
	"{ \"config\": \"x\" }",
	"{ \"help\": true }",
	"{ \"detach\": true }",
	"{ \"kernel\": \"\" }",
	"{ \"kernel\": 5 }",
	"{ \"kernel\": null }",
	"{ \"name\": \"\" }",
	"{ \"name\": \"a\\tb\" }",
	"{ \"name\": \"12345678901234567890123456789012\" }",
	"{ \"cpus\": 0 }",
	"{ \"cpus\": 65 }",
	"{ \"cpus\": 1.5 }",
	"{ \"cpus\": true }",
	"{ \"cpus\": \"two\" }",
	"{ \"memory\": 1 }",
	"{ \"memory\": 3 }",
	"{ \"memory\": 1048578 }",
	"{ \"memory\": \"64MiB\" }",
	"{ \"memory\": { \"sise\": 64 } }",
	"{ \"memory\": { \"prefault\": \"maybe\" } }",
	"{ \"memory\": [ 64 ] }",
	"{ \"console\": \"tty\" }",
	"{ \"console\": \"file:\" }",
	"{ \"console\": \"pty \" }",
	"{ \"disk\": {} }",
	"{ \"disk\": \"\" }",
	"{ \"disk\": [ \"a\", 5 ] }",
	"{ \"disk\": [ [ \"a\" ] ] }",
	"{ \"disk\": { \"path\": \"a\", \"serial\": \"123456789012345678901\" } }",
	("{ \"disk\": [ \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\","
	 " \"10\", \"11\", \"12\", \"13\", \"14\", \"15\", \"16\", \"17\" ] }"),
	"{ \"cdrom\": { \"serial\": \"a\" } }",
	"{ \"cdrom\": { \"path\": \"a\", \"ro\": true } }",
	"{ \"scsi\": { \"path\": \"a\", \"queues\": 65 } }",
	"{ \"rng\": true }",
	"{ \"rng\": { \"source\": \"\" } }",
	"{ \"module\": \"maybe\" }",
	"{ \"log\": 3 }",
};

static void check_agreement(json_t *schema, const char *text, bool want)
{
	json_t *value = json_loads(text, 0, NULL);
	struct error err = { "" };
	struct config cfg;
	bool loads, is_valid;

	assert_non_null(value);
	loads = !load(&cfg, text, &err);
	is_valid = valid(schema, value);
	if (loads != want || is_valid != want)
		print_error("%s: %s%s\n", text,
			    is_valid ? "the schema accepts it" :
				       "the schema refuses it",
			    loads ? ", and is loaded" : err.text);
	assert_int_equal(loads, want);
	assert_int_equal(is_valid, want);
	json_decref(value);
	config_free(&cfg);
}

static void schema_agrees(void **state)
{
	json_t *schema = options_schema();
	size_t i;

	(void)state;
	assert_non_null(schema);
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		check_agreement(schema, accepted[i], true);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		check_agreement(schema, refused[i], false);
	json_decref(schema);
}

/* What is printed of @text is valid, and is printed of itself. */
static void check_round_trip(json_t *schema, const char *text)
{
	struct error err = { "" };
	struct config cfg;
	json_t *first, *second;
	char *printed;

	assert_int_equal(load(&cfg, text, &err), 0);
	first = options_to_json(&cfg);
	assert_non_null(first);
	config_free(&cfg);
	assert_true(valid(schema, first));
	printed = json_dumps(first, 0);
	assert_int_equal(load(&cfg, printed, &err), 0);
	second = options_to_json(&cfg);
	config_free(&cfg);
	assert_true(json_equal(first, second));
	json_decref(second);
	json_decref(first);
	free(printed);
}

static void round_trip(void **state)
{
	json_t *schema = options_schema();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		check_round_trip(schema, accepted[i]);
	json_decref(schema);
}

static void printed(void **state)
{
	struct error err = { "" };
	struct config cfg;
	json_t *is, *want;
	size_t i;

	(void)state;
	assert_int_equal(load(&cfg,
			      "{ \"kernel\": \"k\", \"memory\": 1026,"
			      "  \"disk\": [ \"a\", { \"path\": \"b\","
			      "  \"ro\": \"on\" } ], \"cpus\": \"3\" }",
			      &err),
			 0);
	is = options_to_json(&cfg);
	assert_non_null(is);
	assert_string_equal(json_string_value(
				    json_object_get(json_object_get(is,
								    "memory"),
						    "size")),
			    "1026M");
	assert_string_equal(json_string_value(json_object_get(is, "log")),
			    "warn");
	assert_int_equal(json_integer_value(json_object_get(is, "cpus")), 3);
	want = json_pack("[{s:s,s:b},{s:s,s:b}]", "path", "a", "ro", 0, "path",
			 "b", "ro", 1);
	for (i = 0; i < 2; i++)
		json_object_update_new(json_array_get(want, i),
				       json_pack("{s:s,s:s,s:i,s:i,s:s}",
						 "cache", "auto", "aio", "auto",
						 "iothreads", 1, "poll", 0,
						 "on-error", "report"));
	assert_true(json_equal(json_object_get(is, "disk"), want));
	assert_null(json_object_get(is, "rng"));
	json_decref(is);
	json_decref(want);
	config_free(&cfg);
}

/* A default in the schema is what --print shows where nothing is given. */
static void schema_defaults(void **state)
{
	json_t *schema = options_schema(), *print, *member, *def;
	struct error err = { "" };
	struct config cfg;
	const char *name;

	(void)state;
	assert_int_equal(options_defaults(&cfg, &err), 0);
	print = options_to_json(&cfg);
	json_object_foreach(json_object_get(schema, "properties"), name,
			    member) {
		def = json_object_get(member, "default");
		if (def)
			assert_true(
				json_equal(def, json_object_get(print, name)));
	}
	json_decref(print);
	json_decref(schema);
	config_free(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schema_agrees),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(printed),
		cmocka_unit_test(schema_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
