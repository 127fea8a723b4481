// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "error.h"
#include "net/net.h"
#include "options_table.h"

/* Cuts the next piece off *rest in place: a comma ends it, two are one. */
static char *next_piece(char **rest)
{
	char *start = *rest, *in, *out;

	if (!start)
		return NULL;
	for (in = out = start; *in; *out++ = *in++) {
		if (*in != ',')
			continue;
		if (in[1] != ',')
			break;
		in++;
	}
	*rest = *in ? in + 1 : NULL;
	*out = '\0';
	return start;
}

/* "node=1", "ro", or, for the first one, the value of the first in sub. */
static int set_piece(const struct opt *o, void *elem, char *piece, bool first,
		     uint32_t *seen, struct error *err)
{
	const struct opt *sub = o->sub;
	char *val = strchr(piece, '=');
	int ret;

	if (!*piece && !first)
		return error_set(err, EINVAL,
				 "empty option (a comma in a name is ,,)");
	if (first && !val) {
		val = piece;
	} else {
		if (val)
			*val++ = '\0';
		sub = opt_find(o->sub, piece);
		if (!sub)
			return opt_unknown(o->sub, "option", "", piece, err);
	}
	if (*seen & 1U << (sub - o->sub))
		return error_set(err, EINVAL, "%s: given twice", sub->name);
	*seen |= 1U << (sub - o->sub);
	ret = opt_set(sub, elem, val, err);
	if (ret)
		error_prefix(err, "%s%s%.64s", sub->name, val ? "=" : "",
			     val ? val : "");
	return ret;
}

/* A group in the syntax of the command line: "512M,node=1". */
static int set_group(const struct opt *o, struct config *cfg, const char *text,
		     struct error *err)
{
	char *copy = NULL, *rest, *piece;
	bool first = true;
	uint32_t seen = 0;
	void *elem;
	int ret;

	ret = opt_open_group(o, cfg, &elem, err);
	if (ret)
		return ret;
	if (text) {
		copy = strdup(text);
		if (!copy)
			return error_sys(err, ENOMEM, "cannot keep an option");
	}
	rest = copy;
	while (!ret && (piece = next_piece(&rest))) {
		ret = set_piece(o, elem, piece, first, &seen, err);
		first = false;
	}
	free(copy);
	return ret ? ret : opt_check_required(o->sub, "", elem, err);
}

/* A value that begins with -- would hide a forgotten one: only after =. */
static bool takes_next(const struct opt *o, const char *next)
{
	return next && o->kind != OPT_HELP && o->kind != OPT_BOOL &&
	       o->kind != OPT_FLAG && strncmp(next, "--", 2);
}

static int set_option(const struct opt *o, struct config *cfg, const char *text,
		      struct error *err)
{
	int ret;

	switch (o->kind) {
	case OPT_GROUP:
		/* Only an optional device has a meaning without a value. */
		if (!text && !o->present)
			ret = error_set(err, EINVAL, "needs a value");
		else
			ret = set_group(o, cfg, text, err);
		if (ret)
			error_prefix(err, "--%s", o->name);
		return ret;
	case OPT_CONFIG:
		if (text)
			return options_load_json(cfg, text, err);
		ret = error_set(err, EINVAL, "needs a value");
		break;
	case OPT_HELP:
		options_help(stdout);
		return 1;
	default:
		ret = opt_set(o, cfg, text, err);
		break;
	}
	if (ret)
		error_prefix(err, "--%s%s%.64s", o->name, text ? " " : "",
			     text ? text : "");
	return ret;
}

struct args {
	int left;
	char **next;
};

/* Takes an option and its value, NULL if none, off @args; NULL: error. */
static const struct opt *next_option(struct args *args, const char **text,
				     struct error *err)
{
	const struct opt *o;
	const char *given = *args->next++;
	char name[OPT_NAME_MAX + 1];
	size_t len;

	args->left--;
	if (strncmp(given, "--", 2)) {
		error_set(err, EINVAL,
			  "%.64s: not an option (see vireo run --help)", given);
		return NULL;
	}
	given += 2;
	len = strcspn(given, "=");
	snprintf(name, sizeof(name), "%.*s", (int)len, given);
	o = len < sizeof(name) ? opt_find(vm_options, name) : NULL;
	if (!o) {
		opt_unknown(vm_options, "option", "--", name, err);
		return NULL;
	}
	*text = given[len] ? given + len + 1 : NULL;
	if (!*text && args->left && takes_next(o, *args->next)) {
		*text = *args->next++;
		args->left--;
	}
	return o;
}

/*
 * One pass over the command line, for either what is no part of a
 * configuration or the rest.
 */
static int parse_args(struct config *cfg, struct args args, bool first,
		      struct error *err)
{
	const struct opt *o;
	const char *text;
	uint32_t seen = 0, bit;
	int ret;

	while (args.left) {
		o = next_option(&args, &text, err);
		if (!o)
			return -EINVAL;
		bit = 1U << (o - vm_options);
		if (seen & bit && !o->stride)
			return error_set(err, EINVAL, "--%s: given twice",
					 o->name);
		if ((o->kind >= OPT_FLAG) == first) {
			if (o->stride && !(seen & bit))
				opt_list_clear(o, cfg);
			ret = set_option(o, cfg, text, err);
			if (ret)
				return ret;
		}
		seen |= bit;
	}
	return 0;
}

int options_defaults(struct config *cfg, struct error *err)
{
	const struct opt *o, *sub;
	int ret = 0;

	memset(cfg, 0, sizeof(*cfg));
	for (o = vm_options; !ret && o->name; o++) {
		if (o->kind != OPT_GROUP) {
			ret = opt_set_default(o, cfg, err);
			continue;
		}
		for (sub = o->sub; !ret && !o->stride && sub->name; sub++)
			ret = opt_set_default(sub, (char *)cfg + o->offset,
					      err);
	}
	if (ret)
		config_free(cfg);
	return ret;
}

static int replace(char **text, const char *was, const char *is,
		   struct error *err)
{
	char *copy;

	if (!*text || strcmp(*text, was) != 0)
		return 0;
	copy = strdup(is);
	if (!copy)
		return error_sys(err, ENOMEM, "cannot keep an option");
	free(*text);
	*text = copy;
	return 0;
}

/*
 * A detached machine has no terminal: what would be there is on a socket, and
 * without one nobody could find it.
 */
static int leave_terminal(struct config *cfg, struct error *err)
{
	unsigned int i;
	int ret;

	for (i = 0; i < cfg->nr_qmp; i++)
		if (!strcmp(cfg->qmp[i].target, "stdio"))
			return error_set(
				err, EINVAL,
				"--qmp stdio: a detached machine has no terminal");
	ret = replace(&cfg->console, "stdio", "socket", err);
	if (!ret)
		ret = replace(&cfg->vcon.target, "stdio", "socket", err);
	if (!ret)
		ret = replace(&cfg->control, "auto", "on", err);
	return ret;
}

/* There is one of what @target names, and two consoles might want it. */
static int check_shared(const struct config *cfg, const char *target,
			const char *what, struct error *err)
{
	if (!cfg->vcon.target || strcmp(cfg->vcon.target, target) ||
	    strcmp(cfg->console, target))
		return 0;
	return error_set(
		err, EINVAL,
		"--virtio-console %s: the serial port has the %s (add --console none)",
		target, what);
}

/* Only one can have standard input and output. */
static int check_stdio(const struct config *cfg, struct error *err)
{
	unsigned int i, users = 0;

	for (i = 0; i < cfg->nr_qmp; i++)
		users += !strcmp(cfg->qmp[i].target, "stdio");
	if (users > 1)
		return error_set(err, EINVAL, "--qmp stdio: given twice");
	if (users && !strcmp(cfg->console, "stdio"))
		return error_set(
			err, EINVAL,
			"--qmp stdio: the serial port has the terminal (add --console none)");
	if (users && cfg->vcon.target && !strcmp(cfg->vcon.target, "stdio"))
		return error_set(
			err, EINVAL,
			"--qmp stdio: the virtio console has the terminal");
	return 0;
}

/* What no option can check alone. */
static int check_config(struct config *cfg, struct error *err)
{
	int ret = opt_check_required(vm_options, "--", cfg, err);
	unsigned int i;

	if (!ret && cfg->detach)
		ret = leave_terminal(cfg, err);
	if (!ret)
		ret = check_stdio(cfg, err);
	if (!ret)
		ret = check_shared(cfg, "stdio", "terminal", err);
	if (!ret)
		ret = check_shared(cfg, "socket", "socket", err);
	for (i = 0; !ret && i < cfg->nr_nets; i++) {
		ret = net_check(&cfg->nets[i], err);
		if (ret)
			error_prefix(err, "--net");
	}
	cfg->paused |= cfg->gdb.target && cfg->gdb.wait;
	return ret;
}

int options_parse(struct config *cfg, int argc, char **argv, struct error *err)
{
	struct args args = { .left = argc, .next = argv };
	int ret;

	ret = options_defaults(cfg, err);
	if (ret)
		return ret;
	ret = parse_args(cfg, args, true, err);
	if (!ret)
		ret = parse_args(cfg, args, false, err);
	if (!ret)
		ret = check_config(cfg, err);
	if (ret)
		config_free(cfg);
	return ret;
}

void config_free(struct config *cfg)
{
	const struct opt *o;

	opt_free_strings(vm_options, cfg);
	for (o = vm_options; o->name; o++) {
		if (o->stride)
			opt_list_clear(o, cfg);
		else if (o->kind == OPT_GROUP)
			opt_free_strings(o->sub, (char *)cfg + o->offset);
	}
	memset(cfg, 0, sizeof(*cfg));
}

/* ---- help ---- */

#define HELP_COLUMN 26
#define HELP_WIDTH 78

/* @head at @indent, then what the option does, in its column. */
static void help_line(FILE *out, int indent, const char *head,
		      const struct opt *o)
{
	int room = HELP_COLUMN - indent;

	if ((int)strlen(head) > room - 2)
		fprintf(out, "%*s%s\n%*s", indent, "", head, HELP_COLUMN, "");
	else
		fprintf(out, "%*s%-*s", indent, "", room, head);
	fputs(o->help, out);
	if (o->def)
		fprintf(out, " (default %s)", o->def);
	fputc('\n', out);
}

static void help_member(const struct opt *o, char *buf, size_t size)
{
	const char *value = o->metavar ? o->metavar : o->words;

	snprintf(buf, size, "%s%s%s", o->name, value ? "=" : "",
		 value ? value : "");
}

static void help_option(FILE *out, const struct opt *o)
{
	const struct opt *sub = o->sub, *rest;
	const char *value;
	char head[96], member[64];
	int used;

	if (!sub) {
		value = o->metavar ? o->metavar : o->words;
		snprintf(head, sizeof(head), "--%s%s%s", o->name,
			 value ? " " : "", value ? value : "");
		help_line(out, 2, head, o);
		return;
	}
	used = snprintf(head, sizeof(head), "--%s %s[%s=]%s", o->name,
			o->present ? "[" : "", sub->name, sub->metavar);
	while ((++sub)->name) {
		help_member(sub, member, sizeof(member));
		if (used + strlen(member) + strlen("[,][,...]") > HELP_WIDTH)
			break;
		used += snprintf(head + used, sizeof(head) - used, "[,%s]",
				 member);
	}
	snprintf(head + used, sizeof(head) - used, "%s%s",
		 sub->name ? "[,...]" : "", o->present ? "]" : "");
	help_line(out, 2, head, o);
	rest = sub;
	for (sub = o->sub; sub->name; sub++) {
		snprintf(member, sizeof(member), "%s", sub->name);
		if (sub >= rest)
			help_member(sub, member, sizeof(member));
		help_line(out, 4, member, sub);
	}
}

void options_help(FILE *out)
{
	const struct opt *o;

	fprintf(out, "Usage: vireo run --kernel FILE [OPTION]...\n");
	for (o = vm_options; o->name; o++) {
		if (o->section)
			fprintf(out, "\n%s:\n", o->section);
		help_option(out, o);
	}
}
