import type { signInEn } from './sign-in-en'

export const signInZh = {
  title: '登录',
  out: '退出登录',
  name: '账户',
  password: '密码',
  code: '动态验证码',
  codeHint: '仅在已启用时填写',
  enter: '登录',
  elsewhere: '通过 {0} 登录',
  welcome: '设置密码',
  welcomeHint: '此链接用于为一个账户设置密码，只能使用一次。',
  change: '修改密码',
  mustChange: '密码已过期，请设置新密码。',
  old: '旧密码',
  fresh: '新密码',
  again: '再次输入新密码',
  differ: '两次输入的密码不一致。',
  save: '保存',
  roles: '角色',
  noRoles: '此账户尚无角色，请联系安全管理员授予。',
  changed: '密码已修改',
} satisfies typeof signInEn
