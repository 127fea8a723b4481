// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: mkfilters >FILE.c
 *
 * Makes of the lists of system calls (vmm/sandbox/lists.c) the filters that the
 * kernel takes, as C, by libseccomp.  Runs where vireo is built.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <seccomp.h>

#include "compile.h"
#include "sandbox/filters.h"
#include "sandbox/lists.h"

#define MAX_CODE 4096

static void print_filter(unsigned int kind)
{
	static struct sock_filter code[MAX_CODE];
	int i, len = sandbox_compile(sandbox_lists[kind], -1, kind, code,
				     MAX_CODE);

	if (len < 0) {
		fprintf(stderr, "mkfilters: list %u: %s\n", kind,
			strerror(-len));
		exit(1);
	}
	printf("static const struct sock_filter filter%u[] = {\n", kind);
	for (i = 0; i < len; i++)
		printf("\t{ 0x%x, %u, %u, 0x%x },\n", code[i].code, code[i].jt,
		       code[i].jf, code[i].k);
	puts("};\n");
}

static void print_names(void)
{
	int nr, last = 0;
	char *name;

	puts("const char sandbox_call_names[][SANDBOX_CALL_NAME_MAX] = {");
	for (nr = 0; nr < 1024; nr++) {
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);
		if (name && strlen(name) < SANDBOX_CALL_NAME_MAX) {
			printf("\t[%d] = \"%s\",\n", nr, name);
			last = nr;
		}
		free(name);
	}
	printf("};\nconst unsigned int sandbox_nr_call_names = %d;\n",
	       last + 1);
}

int main(void)
{
	unsigned int kind;

	puts("// Made by tools/mkfilters of vmm/sandbox/lists.c\n"
	     "#include \"sandbox/filters.h\"\n");
	for (kind = 0; kind < SANDBOX_NR_THREADS; kind++)
		print_filter(kind);
	puts("const struct sandbox_filter sandbox_filters[] = {");
	for (kind = 0; kind < SANDBOX_NR_THREADS; kind++)
		printf("\t{ filter%u, sizeof(filter%u) / sizeof(filter%u[0]) },\n",
		       kind, kind, kind);
	puts("};\n");
	print_names();
	return fflush(stdout) || ferror(stdout);
}
