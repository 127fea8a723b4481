// SPDX-License-Identifier: GPL-2.0-or-later
#include "compile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/lists.h"

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define EQUAL (BPF_JMP | BPF_JEQ | BPF_K)

static int add(scmp_filter_ctx ctx, const struct sandbox_call *call)
{
	struct scmp_arg_cmp cmp = {
		.arg = call->arg,
		.op = SCMP_CMP_EQ,
		.datum_a = call->value,
	};

	/* Else a plain one, which takes an instruction less. */
	if (call->mask != UINT32_MAX)
		cmp = (struct scmp_arg_cmp){ call->arg, SCMP_CMP_MASKED_EQ,
					     call->mask, call->value };

	return seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, call->nr,
					    call->mask ? 1 : 0, &cmp);
}

static int export(scmp_filter_ctx ctx, struct sock_filter *code, int max)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), rc;
	ssize_t n;

	if (fd < 0)
		return -errno;
	rc = seccomp_export_bpf(ctx, fd);
	if (!rc) {
		n = pread(fd, code, (size_t)max * sizeof(*code), 0);
		rc = n < 0 ? -errno : (int)((size_t)n / sizeof(*code));
		if (rc == max)
			rc = -E2BIG;
	}
	close(fd);
	return rc;
}

/*
 * When a filter is given to it, the kernel runs it once for each call's number,
 * to know for which it says yes whatever the arguments; that takes ten times as
 * long as compiling it.  It does not try a filter that looks at an argument
 * first, and then runs it for each call.
 *
 * So does the filter of a list that begins with a value of an argument: that
 * call, the most frequent one, is let through here, before the tree of all.
 */
static int first_call(const struct sandbox_call *first,
		      struct sock_filter *code)
{
	const struct sock_filter begin[] = {
		BPF_STMT(LOAD, offsetof(struct seccomp_data, args[first->arg])),
		BPF_JUMP(EQUAL, first->value, 0, 5),
		BPF_STMT(LOAD, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(EQUAL, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(LOAD, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(EQUAL, (uint32_t)first->nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (first->mask != UINT32_MAX)
		return 0;
	memcpy(code, begin, sizeof(begin));
	return sizeof(begin) / sizeof(begin[0]);
}

int sandbox_compile(const struct sandbox_call *calls, int without,
		    unsigned int kind, struct sock_filter *code, int max)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int i, len = 0, rc;

	if (!ctx)
		return -ENOMEM;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			      SCMP_ACT_KILL_PROCESS);
	/* A tree, not a row of comparisons. */
	if (!rc)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; !rc && calls[i].name; i++)
		if (i != without)
			rc = add(ctx, &calls[i]);
	if (!rc && without)
		len = first_call(calls, code);
	if (!rc)
		rc = export(ctx, code + len, max - len);
	seccomp_release(ctx);
	if (rc < 0)
		return rc;
	len += rc;
	for (i = 0; i < len; i++)
		if (code[i].code == (BPF_RET | BPF_K) &&
		    code[i].k == SECCOMP_RET_TRAP)
			code[i].k |= kind;
	return len;
}
