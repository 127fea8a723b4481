/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subcommands that drive a machine which runs already, and `vireo config`:
 * one file each.
 *
 * Machines are found by name: a file NAME.qmp in the user's runtime directory
 * is the socket on which one listens.
 */
#ifndef VIREO_CLI_COMMANDS_H
#define VIREO_CLI_COMMANDS_H

#include "../status.h"

struct error;
struct opt;

struct cli_command {
	const char *name; /* NULL ends a table */
	const char *synopsis;
	const char *help;
	/*
	 * @argv is what follows the subcommand.  Returns an exit status; what
	 * a person should know of a failure is in @err.
	 */
	int (*run)(int argc, char **argv, struct error *err);
};

extern const struct cli_command cli_commands[];

/* Runs @command, or prints its usage if that is asked for. */
int cli_run(const struct cli_command *command, int argc, char **argv,
	    struct error *err);

int cli_ps(int argc, char **argv, struct error *err);
int cli_pause(int argc, char **argv, struct error *err);
int cli_resume(int argc, char **argv, struct error *err);
int cli_reset(int argc, char **argv, struct error *err);
int cli_stop(int argc, char **argv, struct error *err);
int cli_console(int argc, char **argv, struct error *err);
int cli_stats(int argc, char **argv, struct error *err);
int cli_qmp(int argc, char **argv, struct error *err);
int cli_inspect(int argc, char **argv, struct error *err);
int cli_snapshot(int argc, char **argv, struct error *err);
int cli_resize(int argc, char **argv, struct error *err);
int cli_attach(int argc, char **argv, struct error *err);
int cli_detach(int argc, char **argv, struct error *err);
int cli_net(int argc, char **argv, struct error *err);
int cli_img(int argc, char **argv, struct error *err);
int cli_config(int argc, char **argv, struct error *err);

/* ---- what they share ---- */

/*
 * Sorts @argv into options, which are set in the struct at @base as their
 * table (or NULL) says, and other words, @least to @most of them, the first of
 * which is a machine's name.  Returns the number of words, or -EINVAL.
 */
int cli_parse(int argc, char **argv, const struct opt *options, void *base,
	      const char **words, int least, int most, struct error *err);

/* The exit status for a -errno. */
int cli_status(int rc);

#endif
