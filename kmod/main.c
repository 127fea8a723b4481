// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vireo: load, unload, the ioctl table and what is common to all ioctls.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/notifier.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "mem.h"
#include "queue.h"
#include "vireo.h"

static char *exit_path = "auto";
module_param(exit_path, charp, 0444);
MODULE_PARM_DESC(exit_path, "how exits are served: auto, bus, run or off");

/* What exit_path came to; written on load only. */
static u32 vireo_exit_path;
static const char *vireo_exit_path_why;

/*
 * The ioctl function of KVM's VMs, once one was seen; 0 if none was, or if a
 * module has gone since then.
 */
static unsigned long vireo_vm_ioctl;

static const char *const vireo_exit_path_names[] = {
	[VIREO_EXIT_PATH_OFF] = "off",
	[VIREO_EXIT_PATH_BUS] = "bus",
	[VIREO_EXIT_PATH_RUN] = "run",
};

/**
 * vireo_exit_path_used() - how do exits reach regions?
 *
 * Return: VIREO_EXIT_PATH_*
 */
u32 vireo_exit_path_used(void)
{
	return vireo_exit_path;
}

/**
 * vireo_vm_ioctl_known() - what is the ioctl function of KVM's VMs?
 *
 * Return: its address, or 0 if it is not known.
 */
unsigned long vireo_vm_ioctl_known(void)
{
	return READ_ONCE(vireo_vm_ioctl);
}

/**
 * vireo_vm_ioctl_learn() - remember the ioctl function of KVM's VMs
 * @function: that of a file that the caller holds, and so KVM's module
 */
void vireo_vm_ioctl_learn(unsigned long function)
{
	WRITE_ONCE(vireo_vm_ioctl, function);
}

/*
 * A module that goes may be KVM's, and another come to where it was.  KVM's
 * cannot go while somebody learns: that one holds a VM.
 */
static int vireo_on_module(struct notifier_block *nb, unsigned long state,
			   void *module)
{
	if (state == MODULE_STATE_GOING)
		WRITE_ONCE(vireo_vm_ioctl, 0);
	return NOTIFY_DONE;
}

static struct notifier_block vireo_module_notifier = {
	.notifier_call = vireo_on_module,
};

/**
 * vireo_name_ok() - check a name from user space
 * @name: a copy of it
 * @size: of the array
 * @spaces: whether spaces are allowed
 *
 * Return: whether it is NUL-terminated printable ASCII.
 */
bool vireo_name_ok(const char *name, size_t size, bool spaces)
{
	size_t len = strnlen(name, size);
	size_t i;

	if (len == size)
		return false;
	for (i = 0; i < len; i++)
		if (name[i] > '~' || name[i] < (spaces ? ' ' : '!'))
			return false;
	return true;
}

/**
 * vireo_do_ioctl() - look an ioctl up, copy its argument in, do it
 * @table: the object's ioctls, indexed by the low six bits of the number
 * @rows: rows of @table
 * @object: passed on
 * @cmd: as given by the caller
 * @uaddr: as given by the caller
 *
 * The size that is part of an ioctl's number is ignored: a struct may have
 * grown since the caller, or this module, was built.
 *
 * Return: what the handler returns, or a negative errno.
 */
long vireo_do_ioctl(const struct vireo_ioctl *table, unsigned int rows,
		    void *object, unsigned int cmd, unsigned long uaddr)
{
	void __user *uarg = (void __user *)uaddr;
	unsigned int row = _IOC_NR(cmd) & 0x3f;
	const struct vireo_ioctl *op;
	union vireo_arg arg;
	u32 usize;
	int ret;

	if (row >= rows)
		return -ENOTTY;
	op = &table[array_index_nospec(row, rows)];
	if (!op->fn || (cmd ^ op->cmd) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT))
		return -ENOTTY;

	if (get_user(usize, (u32 __user *)uarg))
		return -EFAULT;
	if (usize < op->min_size)
		return -EINVAL;
	ret = copy_struct_from_user(&arg, op->size, uarg, usize);
	if (ret)
		return ret;
	/* The second copy may differ; the checked one counts. */
	arg.size = usize;

	return op->fn(object, &arg, uarg);
}

static long vireo_info(void *unused, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_info *in = &arg->info;
	struct vireo_info out = {
		.size = min_t(u32, in->size, sizeof(out)),
		.abi = VIREO_ABI_VERSION,
		.exit_path = vireo_exit_path,
		.caps = VIREO_CAP_RULE_SHADOW | VIREO_CAP_RULE_CONST |
			VIREO_CAP_RULE_POST | VIREO_CAP_RULE_EVENT |
			VIREO_CAP_RULE_INDEXED | VIREO_CAP_RULE_CLOCK |
			VIREO_CAP_RULE_CLEAR | VIREO_CAP_STATS |
			VIREO_CAP_VCPU | VIREO_CAP_MEM | VIREO_CAP_QUEUE_BLK,
		.max_regions = VIREO_MAX_REGIONS,
		.max_rules = VIREO_MAX_RULES,
		.max_ring = VIREO_MAX_RING,
		.version = VIREO_VERSION,
		.queue_features = VIREO_QUEUE_FEATURES,
	};

	if (in->flags || in->reserved)
		return -EINVAL;

	if (vireo_exit_path == VIREO_EXIT_PATH_BUS)
		out.caps |= VIREO_CAP_QUEUE_BELL;
	strscpy(out.why, vireo_exit_path_why, sizeof(out.why));
	return copy_to_user(uarg, &out, out.size) ? -EFAULT : 0;
}

static const struct vireo_ioctl vireo_dev_ioctls[] = {
	VIREO_IOCTL(VIREO_INFO, vireo_info, struct vireo_info, why),
	VIREO_IOCTL(VIREO_VM_CREATE, vireo_vm_create, struct vireo_vm_create,
		    name),
	VIREO_IOCTL(VIREO_MEM_CREATE, vireo_mem_create, struct vireo_mem_create,
		    name),
	VIREO_IOCTL(VIREO_DISK_CREATE, vireo_disk_create,
		    struct vireo_disk_create, reserved),
};

static long vireo_dev_ioctl(struct file *file, unsigned int cmd,
			    unsigned long uaddr)
{
	return vireo_do_ioctl(vireo_dev_ioctls, ARRAY_SIZE(vireo_dev_ioctls),
			      NULL, cmd, uaddr);
}

static const struct file_operations vireo_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vireo_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice vireo_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vireo",
	.nodename = "vireo",
	.fops = &vireo_dev_fops,
	.mode = 0660,
};

static int choose_exit_path(void)
{
	if (!strcmp(exit_path, "auto")) {
		vireo_exit_path = VIREO_BUS_TESTED ? VIREO_EXIT_PATH_BUS :
						     VIREO_EXIT_PATH_RUN;
		vireo_exit_path_why =
			VIREO_BUS_TESTED ?
				"auto: the bus entry is tested on this kernel" :
				"auto: the bus entry is not tested on this kernel";
	} else if (!strcmp(exit_path, "bus")) {
		vireo_exit_path = VIREO_EXIT_PATH_BUS;
		vireo_exit_path_why = "exit_path=bus was given";
	} else if (!strcmp(exit_path, "run")) {
		vireo_exit_path = VIREO_EXIT_PATH_RUN;
		vireo_exit_path_why = "exit_path=run was given";
	} else if (!strcmp(exit_path, "off")) {
		vireo_exit_path = VIREO_EXIT_PATH_OFF;
		vireo_exit_path_why = "exit_path=off was given";
	} else {
		pr_err("exit_path=%s: must be auto, bus, run or off\n",
		       exit_path);
		return -EINVAL;
	}
	return 0;
}

static int __init vireo_init(void)
{
	int ret;

	ret = choose_exit_path();
	if (ret)
		return ret;

	ret = register_module_notifier(&vireo_module_notifier);
	if (ret)
		return ret;
	vireo_stats_init(VIREO_VERSION, vireo_exit_path_names[vireo_exit_path],
			 vireo_exit_path_why);

	/* The last step: from here on it is in use. */
	ret = misc_register(&vireo_dev);
	if (ret)
		goto err_stats;
	return 0;

err_stats:
	vireo_stats_exit();
	unregister_module_notifier(&vireo_module_notifier);
	return ret;
}

static void __exit vireo_exit(void)
{
	misc_deregister(&vireo_dev);
	vireo_stats_exit();
	unregister_module_notifier(&vireo_module_notifier);
}

module_init(vireo_init);
module_exit(vireo_exit);

MODULE_DESCRIPTION("Accelerator for virtual machines on KVM");
MODULE_AUTHOR("The vireo authors");
MODULE_VERSION(VIREO_VERSION);
MODULE_LICENSE("GPL");
