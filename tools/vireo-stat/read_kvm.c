// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KVM's debugfs: a directory kvm/ with the host's sums, in it <pid>-<fd>/ for
 * each VM with its own, and in these vcpu<N>/.  Each file has one number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "read.h"

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

/*
 * What would only mislead: of a histogram debugfs has the first bucket only,
 * and mmu_rmaps_stat is no number and stops the guest's page faults while it
 * is made.
 */
static bool is_unwanted(const char *name)
{
	return ends_in(name, "_hist") || !strcmp(name, "mmu_rmaps_stat");
}

/* KVM lets root clear what adds up, and nothing else; peaks are cleared, too. */
static bool is_gauge(const char *name, mode_t mode)
{
	return !(mode & S_IWUSR) || !strncmp(name, "max_", 4);
}

static int read_number(struct object *o, const struct tree *tree,
		       const char *path, const char *name)
{
	uint64_t value;
	mode_t mode;
	char *text, *rest, *line;
	int ret = 0;

	if (file_read(tree->debugfs, path, &text, &mode))
		return 0;
	rest = text;
	line = file_line(&rest);
	/* Some are signed; where KVM lets them fall below 0 they are a mistake. */
	if (line && !*rest && parse_number(line, &value) &&
	    !object_add_number(o, SOURCE_KVM, name, value,
			       is_gauge(name, mode)))
		ret = -ENOMEM;
	free(text);
	return ret;
}

static int read_numbers(struct object *o, const struct tree *tree,
			const char *directory, const struct names *names)
{
	char path[512];
	int ret = 0;

	for (size_t i = 0; i < names->count && !ret; i++) {
		const char *name = names->name[i];
		int n = snprintf(path, sizeof(path), "%s/%s", directory, name);

		if (n > 0 && (size_t)n < sizeof(path) && !is_unwanted(name))
			ret = read_number(o, tree, path, name);
	}
	return ret;
}

static int read_directory(struct object *o, const struct tree *tree,
			  const char *path)
{
	struct names names;
	int ret;

	ret = names_read(tree->debugfs, path, &names);
	if (ret)
		return ret == -ENOMEM ? ret : 0;
	ret = read_numbers(o, tree, path, &names);
	names_free(&names);
	return ret;
}

static int read_vcpus(struct object *vm, const struct tree *tree,
		      const char *directory, const struct names *names)
{
	struct object *vcpu;
	char path[512];
	int ret = 0;

	for (size_t i = 0; i < names->count && !ret; i++) {
		const char *name = names->name[i];
		int n = snprintf(path, sizeof(path), "%s/%s", directory, name);

		if (n < 0 || (size_t)n >= sizeof(path) || !is_vcpu(name))
			continue;
		vcpu = read_vcpu(vm, name);
		ret = vcpu ? read_directory(vcpu, tree, path) : -ENOMEM;
	}
	return ret;
}

int read_kvm_host(struct object *host, const struct tree *tree)
{
	return read_directory(host, tree, "kvm");
}

int read_kvm_vm(struct object *vm, const struct tree *tree, const char *path)
{
	struct names names;
	int ret;

	ret = names_read(tree->debugfs, path, &names);
	if (ret)
		return ret == -ENOMEM ? ret : 0;
	ret = read_numbers(vm, tree, path, &names);
	if (!ret)
		ret = read_vcpus(vm, tree, path, &names);
	names_free(&names);
	return ret;
}
