// SPDX-License-Identifier: GPL-2.0-or-later
/* One sample: which VMs there are, and which of KVM's is which of vireo's. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "read.h"

#define DEBUGFS "/sys/kernel/debug"

/* A VM's directory: kvm/<pid>-<n> or vireo/vm-<pid>-<n>. */
struct vm_directory {
	long pid;
	uint64_t n; /* KVM: the file descriptor; vireo: a sequence number */
	char path[64];
};

struct vm_directories {
	struct vm_directory *at;
	size_t count;
};

bool is_vcpu(const char *name)
{
	uint64_t id;

	return !strncmp(name, "vcpu", 4) && parse_number(name + 4, &id) &&
	       id <= UINT32_MAX;
}

struct object *read_vcpu(struct object *vm, const char *directory)
{
	const char *id = directory + strlen("vcpu");
	struct object *vcpu = object_child(vm, OBJECT_VCPU, id);

	return vcpu ? vcpu : object_add(vm, OBJECT_VCPU, id, id);
}

/* ---- which VMs there are ---------------------------------------------- */

static bool parse_directory(struct vm_directory *d, const char *parent,
			    const char *prefix, const char *name)
{
	const char *numbers = name + strlen(prefix);
	const char *dash = strchr(numbers, '-');
	char pid[16];
	uint64_t value;
	size_t len;

	if (strncmp(name, prefix, strlen(prefix)) || !dash)
		return false;
	len = (size_t)(dash - numbers);
	if (len >= sizeof(pid))
		return false;
	memcpy(pid, numbers, len);
	pid[len] = '\0';
	if (!parse_number(pid, &value) || value > INT32_MAX ||
	    !parse_number(dash + 1, &d->n))
		return false;
	d->pid = (long)value;
	return snprintf(d->path, sizeof(d->path), "%s/%s", parent, name) <
	       (int)sizeof(d->path);
}

static int by_pid(const void *a, const void *b)
{
	const struct vm_directory *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* Without the parent there are none: its module is not loaded. */
static int find_vms(struct vm_directories *found, const struct tree *tree,
		    const char *parent, const char *prefix)
{
	struct names names;
	int ret;

	memset(found, 0, sizeof(*found));
	ret = names_read(tree->debugfs, parent, &names);
	if (ret)
		return ret == -ENOMEM ? ret : 0;
	found->at = calloc(names.count + 1, sizeof(*found->at));
	for (size_t i = 0; found->at && i < names.count; i++)
		if (parse_directory(&found->at[found->count], parent, prefix,
				    names.name[i]))
			found->count++;
	names_free(&names);
	if (!found->at)
		return -ENOMEM;
	qsort(found->at, found->count, sizeof(*found->at), by_pid);
	return 0;
}

/* How many at the head of @d are of the same process. */
static size_t same_process(const struct vm_directories *d, size_t from,
			   long pid)
{
	size_t n = 0;

	while (from + n < d->count && d->at[from + n].pid == pid)
		n++;
	return n;
}

/* ---- names ------------------------------------------------------------ */

/* "-name X" and "-name guest=X,..." of QEMU, "--name X" of vireo and others. */
static const char *told_name(char *arguments)
{
	bool next = false;
	char *word;

	while ((word = file_line(&arguments))) {
		if (next) {
			if (!strncmp(word, "guest=", 6))
				word += 6;
			word[strcspn(word, ",")] = '\0';
			return word;
		}
		next = !strcmp(word, "-name") || !strcmp(word, "--name");
	}
	return NULL;
}

/* The name of a VM that vireo does not know, by its process; the caller frees. */
static char *process_name(const struct tree *tree, long pid)
{
	char path[32], *text, *rest, *name = NULL;
	const char *found;

	snprintf(path, sizeof(path), "%ld/cmdline", pid);
	if (!file_read(tree->proc, path, &text, NULL)) {
		found = told_name(text);
		name = found && *found ? strdup(found) : NULL;
		free(text);
	}
	if (name)
		return name;
	snprintf(path, sizeof(path), "%ld/comm", pid);
	if (file_read(tree->proc, path, &text, NULL))
		return strdup("");
	rest = text;
	found = file_line(&rest);
	name = strdup(found ? found : "");
	free(text);
	return name;
}

static int name_vm(struct object *vm, const struct tree *tree)
{
	const char *told = object_text(vm, "name");
	char *name = told && *told ? strdup(told) : process_name(tree, vm->pid);

	if (!name)
		return -ENOMEM;
	free(vm->name);
	vm->name = name;
	return 0;
}

/* ---- reading ---------------------------------------------------------- */

/* In place of one of a VM's directories: there it is not known. */
static const struct vm_directory nowhere;

static bool is_somewhere(const struct vm_directory *d)
{
	return *d->path;
}

/* A VM that is in @kvm, in @vireo or in both. */
static int read_vm(struct object *host, const struct tree *tree,
		   const struct vm_directory *kvm,
		   const struct vm_directory *vireo)
{
	const struct vm_directory *either = is_somewhere(kvm) ? kvm : vireo;
	struct object *vm;
	int ret = 0;

	vm = object_add(host, OBJECT_VM, strchr(either->path, '/') + 1, "");
	if (!vm)
		return -ENOMEM;
	vm->pid = either->pid;
	if (is_somewhere(kvm))
		ret = read_kvm_vm(vm, tree, kvm->path);
	if (!ret && is_somewhere(vireo))
		ret = read_vireo_vm(vm, tree, vireo->path);
	return ret ? ret : name_vm(vm, tree);
}

/*
 * The VMs of one process.  Both modules count a process's VMs upwards, so if
 * both have as many, they are the same in the same order; else who knows, and
 * they are shown apart.
 */
static int read_process(struct object *host, const struct tree *tree,
			const struct vm_directory *kvm, size_t nr_kvm,
			const struct vm_directory *vireo, size_t nr_vireo)
{
	bool same = nr_kvm == nr_vireo;
	int ret = 0;

	for (size_t i = 0; i < nr_kvm && !ret; i++)
		ret = read_vm(host, tree, &kvm[i], same ? &vireo[i] : &nowhere);
	for (size_t i = 0; i < nr_vireo && !ret && !same; i++)
		ret = read_vm(host, tree, &nowhere, &vireo[i]);
	return ret;
}

static int read_vms(struct object *host, const struct tree *tree)
{
	struct vm_directories kvm = { 0 }, vireo = { 0 };
	size_t k = 0, v = 0, nr_k, nr_v;
	int ret;

	ret = find_vms(&kvm, tree, "kvm", "");
	if (!ret)
		ret = find_vms(&vireo, tree, "vireo", "vm-");
	while (!ret && (k < kvm.count || v < vireo.count)) {
		long pid = k < kvm.count ? kvm.at[k].pid : LONG_MAX;

		if (v < vireo.count && vireo.at[v].pid < pid)
			pid = vireo.at[v].pid;
		nr_k = same_process(&kvm, k, pid);
		nr_v = same_process(&vireo, v, pid);
		ret = read_process(host, tree, kvm.at + k, nr_k, vireo.at + v,
				   nr_v);
		k += nr_k;
		v += nr_v;
	}
	free(kvm.at);
	free(vireo.at);
	return ret;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int sample_read(struct sample *s, const struct tree *tree)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->host.kind = OBJECT_HOST;
	s->host.id = strdup("");
	s->host.name = strdup("");
	s->wall = now(CLOCK_REALTIME);
	s->monotone = now(CLOCK_MONOTONIC);
	ret = s->host.id && s->host.name ? 0 : -ENOMEM;
	if (!ret)
		ret = read_kvm_host(&s->host, tree);
	if (!ret)
		ret = read_vireo_host(&s->host, tree);
	if (!ret)
		ret = read_vms(&s->host, tree);
	if (ret)
		sample_clear(s);
	return ret;
}

static bool is_called(const struct object *vm, const char *what)
{
	uint64_t pid;

	return !strcmp(vm->name, what) || !strcmp(vm->id, what) ||
	       (parse_number(what, &pid) && pid == (uint64_t)vm->pid);
}

size_t sample_keep(struct sample *s, const char *vm)
{
	struct object *host = &s->host;
	size_t kept = 0;

	for (size_t i = 0; i < host->nr_children; i++) {
		if (is_called(&host->children[i], vm))
			host->children[kept++] = host->children[i];
		else
			object_clear(&host->children[i]);
	}
	host->nr_children = kept;
	return kept;
}

/* ---- opening ---------------------------------------------------------- */

static int complain(char *why, size_t room, int err, const char *root,
		    const char *advice)
{
	snprintf(why, room, "cannot read %s: %s (%s)", root, strerror(err),
		 advice);
	return -err;
}

static const char *advice_for(int err, const char *root)
{
	if (root)
		return "see --root in vireo-stat(1)";
	return err == EACCES || err == EPERM ? "run it as root" :
					       "mount -t debugfs none " DEBUGFS;
}

static int check(const struct tree *tree, const char *root, char *why,
		 size_t room)
{
	const char *path = root ? root : DEBUGFS;
	struct statfs fs;

	if (!root &&
	    (fstatfs(tree->debugfs, &fs) || fs.f_type != DEBUGFS_MAGIC))
		return complain(why, room, ENOENT, path,
				"debugfs is not mounted there: mount -t "
				"debugfs none " DEBUGFS);
	if (!faccessat(tree->debugfs, "kvm", R_OK | X_OK, 0) ||
	    !faccessat(tree->debugfs, "vireo", R_OK | X_OK, 0))
		return 0;
	if (errno == EACCES)
		return complain(why, room, errno, path,
				advice_for(errno, root));
	snprintf(why, room,
		 "%s has neither kvm nor vireo (load kvm_intel or kvm_amd)",
		 path);
	return -ENOENT;
}

int tree_open(struct tree *tree, const char *root, char *why, size_t room)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	const char *path = root ? root : DEBUGFS;
	int ret;

	tree->debugfs = open(path, flags);
	if (tree->debugfs < 0)
		return complain(why, room, errno, path,
				advice_for(errno, root));
	ret = check(tree, root, why, room);
	if (ret) {
		close(tree->debugfs);
		return ret;
	}
	/* Names are a convenience: without /proc there are none. */
	tree->proc = root ? openat(tree->debugfs, "proc", flags) :
			    open("/proc", flags);
	return 0;
}

void tree_close(struct tree *tree)
{
	close(tree->debugfs);
	if (tree->proc >= 0)
		close(tree->proc);
}
